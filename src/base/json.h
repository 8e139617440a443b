#pragma once
// JSON to and from described structs (Boost.Describe): one decoder for requests, store records and files, one encoder for replies.
//
// A member's name is its wire name; a trailing underscore (for C++ keywords) is dropped. What a member's type says:
//   T                 required when decoding a request (absent or null: "is required"); a store record may leave it at its default
//   std::optional<T>  may be absent or null, both nullopt; omitted when empty on encoding
//   Patch<T>          tells absent, null and value apart
//   std::vector<T>    absent is empty; omitted when empty on encoding, as the vendor does
//   json::value       any JSON
// Whole numbers are accepted as numbers or as strings of digits (proto3 JSON), never as fractions. Unknown fields are skipped
// and counted (newer SDKs send new ones); Strict makes them an error (our own files).
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace tarn::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// What was wrong with a document: the field as a dotted path (`aws_region`, `grants[2].principal`; empty for the document itself).
struct DecodeError {
  std::string field;
  std::string problem;  // e.g. "must be a string, got 7"
  std::string message() const { return field.empty() ? problem : "Field '" + field + "' " + problem; }
};

template <class T>
using Decoded = Expected<T, DecodeError>;

/// Parses text; rejects trailing garbage, invalid UTF-8, and nesting beyond 64. Duplicate keys: the last one wins.
Decoded<value> parse(std::string_view text);

/// A field of a PATCH-like request.
template <class T>
struct Patch {
  enum class State { absent, null, present } state = State::absent;
  T content{};
  bool absent() const { return state == State::absent; }
  bool null() const { return state == State::null; }
  bool present() const { return state == State::present; }
  void operator=(T v) { content = std::move(v), state = State::present; }
};

enum class Unknown { skip, refuse };
/// Whether an absent plain member is an error (requests) or keeps its default (store records of an older version, optional bodies).
enum class Absent { refuse, keep };

struct Options {
  Unknown unknown = Unknown::skip;
  Absent absent = Absent::refuse;
  int* unknown_count = nullptr;
};

namespace detail {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_patch : std::false_type {};
template <class T>
struct is_patch<Patch<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class V>
struct is_map<std::map<std::string, V>> : std::true_type {};

template <class T>
concept DescribedStruct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value && !is_optional<T>::value;
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
using Members = boost::mp11::mp_append<boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>>;

constexpr std::string_view wire_name(const char* name) {
  std::string_view n(name);
  return n.ends_with('_') ? n.substr(0, n.size() - 1) : n;
}

std::string shown(const value& v);  // a short rendering for messages
std::optional<DecodeError> read(std::string& out, const value& v, const std::string& path);
std::optional<DecodeError> read(bool& out, const value& v, const std::string& path);
std::optional<DecodeError> read(double& out, const value& v, const std::string& path);
std::optional<DecodeError> read_int(std::int64_t& out, const value& v, const std::string& path, std::int64_t low, std::int64_t high);

std::string join(const std::string& path, std::string_view name);

template <class T>
std::optional<DecodeError> decode_into(T& out, const value& v, const std::string& path, const Options& o);

template <DescribedStruct T>
std::optional<DecodeError> decode_struct(T& out, const value& v, const std::string& path, const Options& o) {
  const object* obj = v.if_object();
  if (!obj) return DecodeError{path, "must be an object, got " + shown(v)};
  std::optional<DecodeError> error;
  std::size_t known = 0;
  boost::mp11::mp_for_each<Members<T>>([&](auto d) {
    if (error) return;
    auto& member = out.*d.pointer;
    using M = std::remove_reference_t<decltype(member)>;
    const std::string_view name = wire_name(d.name);
    const value* found = obj->if_contains(name);
    if (found) ++known;
    if constexpr (is_patch<M>::value) {
      if (!found) return;
      if (found->is_null()) {
        member.state = M::State::null;
        return;
      }
      member.state = M::State::present;
      error = decode_into(member.content, *found, join(path, name), o);
    } else if constexpr (std::is_same_v<M, value>) {
      if (found) member = *found;
    } else if constexpr (is_optional<M>::value) {
      if (found && !found->is_null()) error = decode_into(member.emplace(), *found, join(path, name), o);
    } else if constexpr (is_vector<M>::value || is_map<M>::value) {
      if (found && !found->is_null()) error = decode_into(member, *found, join(path, name), o);
    } else {
      if (found && !found->is_null())
        error = decode_into(member, *found, join(path, name), o);
      else if (o.absent == Absent::refuse)
        error = DecodeError{join(path, name), found ? "must not be null" : "is required"};
    }
  });
  if (error) return error;
  if (known < obj->size()) {
    if (o.unknown_count) *o.unknown_count += static_cast<int>(obj->size() - known);
    if (o.unknown == Unknown::refuse) {
      for (const auto& kv : *obj) {
        bool listed = false;
        boost::mp11::mp_for_each<Members<T>>([&](auto d) { listed = listed || wire_name(d.name) == std::string_view(kv.key()); });
        if (!listed) return DecodeError{join(path, kv.key()), "is not a known field"};
      }
    }
  }
  return std::nullopt;
}

template <DescribedEnum T>
std::optional<DecodeError> decode_enum(T& out, const value& v, const std::string& path) {
  const auto* s = v.if_string();
  bool found = false;
  std::string names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
    const auto name = wire_name(d.name);
    if (s && std::string_view(*s) == name) out = d.value, found = true;
    names += (names.empty() ? "" : ", ") + std::string(name);
  });
  if (found) return std::nullopt;
  return DecodeError{path, "must be one of " + names + "; got " + shown(v)};
}

template <class T>
std::optional<DecodeError> decode_into(T& out, const value& v, const std::string& path, const Options& o) {
  if constexpr (std::is_same_v<T, value>) {
    out = v;
    return std::nullopt;
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string> || std::is_same_v<T, double>) {
    return read(out, v, path);
  } else if constexpr (std::is_integral_v<T>) {
    std::int64_t n = 0;
    auto e = read_int(n, v, path, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                      sizeof(T) == 8 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(std::numeric_limits<T>::max()));
    if (!e) out = static_cast<T>(n);
    return e;
  } else if constexpr (DescribedEnum<T>) {
    return decode_enum(out, v, path);
  } else if constexpr (is_optional<T>::value) {
    if (v.is_null()) return out.reset(), std::nullopt;
    return decode_into(out.emplace(), v, path, o);
  } else if constexpr (is_vector<T>::value) {
    const array* a = v.if_array();
    if (!a) return DecodeError{path, "must be an array, got " + shown(v)};
    out.clear();
    out.reserve(a->size());
    for (std::size_t i = 0; i < a->size(); ++i) {
      typename T::value_type item{};
      if (auto e = decode_into(item, (*a)[i], path + '[' + std::to_string(i) + ']', o)) return e;
      out.push_back(std::move(item));
    }
    return std::nullopt;
  } else if constexpr (is_map<T>::value) {
    const object* obj = v.if_object();
    if (!obj) return DecodeError{path, "must be an object, got " + shown(v)};
    out.clear();
    for (const auto& kv : *obj) {
      typename T::mapped_type item{};
      if (auto e = decode_into(item, kv.value(), join(path, kv.key()), o)) return e;
      out.emplace(kv.key(), std::move(item));
    }
    return std::nullopt;
  } else {
    static_assert(DescribedStruct<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    return decode_struct(out, v, path, o);
  }
}

}  // namespace detail

/// Decodes a JSON value into a described struct (or any type the codec knows); on error names the field.
template <class T>
Decoded<T> decode(const value& v, const Options& options = {}) {
  T out{};
  if (auto e = detail::decode_into(out, v, {}, options)) return fail(*std::move(e));
  return out;
}

template <class T>
Decoded<T> decode_text(std::string_view text, const Options& options = {}) {
  TARN_TRY(v, parse(text));
  return decode<T>(v, options);
}

/// The enumerator's wire name.
template <detail::DescribedEnum T>
std::string_view name_of(T e) {
  std::string_view out = "?";
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
    if (d.value == e) out = detail::wire_name(d.name);
  });
  return out;
}

template <detail::DescribedEnum T>
std::optional<T> enum_of(std::string_view name) {
  std::optional<T> out;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
    if (detail::wire_name(d.name) == name) out = d.value;
  });
  return out;
}

/// Encodes for the wire: empty optionals, vectors, maps and absent patches are left out.
template <class T>
value encode(const T& in) {
  using namespace detail;
  if constexpr (std::is_same_v<T, value>) {
    return in;
  } else if constexpr (DescribedEnum<T>) {
    return value(name_of(in));
  } else if constexpr (is_optional<T>::value) {
    return in ? encode(*in) : value(nullptr);
  } else if constexpr (is_vector<T>::value) {
    array a;
    a.reserve(in.size());
    for (const auto& item : in) a.push_back(encode(item));
    return a;
  } else if constexpr (is_map<T>::value) {
    object o;
    for (const auto& [k, item] : in) o[k] = encode(item);
    return o;
  } else if constexpr (DescribedStruct<T>) {
    object o;
    boost::mp11::mp_for_each<Members<T>>([&](auto d) {
      const auto& member = in.*d.pointer;
      using M = std::remove_cvref_t<decltype(member)>;
      const auto name = wire_name(d.name);
      if constexpr (is_optional<M>::value) {
        if (member) o[name] = encode(*member);
      } else if constexpr (is_patch<M>::value) {
        if (member.present()) o[name] = encode(member.content);
        if (member.null()) o[name] = nullptr;
      } else if constexpr (is_vector<M>::value || is_map<M>::value) {
        if (!member.empty()) o[name] = encode(member);
      } else if constexpr (std::is_same_v<M, value>) {
        if (!member.is_null()) o[name] = member;
      } else {
        o[name] = encode(member);
      }
    });
    return o;
  } else {
    return value(in);
  }
}

template <class T>
std::string encode_text(const T& in) {
  return boost::json::serialize(encode(in));
}

}  // namespace tarn::json
