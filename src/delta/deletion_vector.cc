#include "delta/deletion_vector.h"

#include <boost/crc.hpp>

#include "base/crypto.h"
#include "base/ids.h"
#include "delta/log_files.h"
#include "delta/paths.h"

namespace tarn::delta {
namespace {

constexpr std::uint32_t kMagic = 1'681'511'377, kNativeMagic = 1'681'511'376;
constexpr std::uint32_t kNoRuns = 12346, kRuns = 12347;  // RoaringFormatSpec's cookies
constexpr std::size_t kArrayMost = 4096;                 // values that a container lists one by one
constexpr std::string_view kZ85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Little-endian numbers off the front of a text; after a short read everything is zero and ok() is false.
class VectorBytes {
 public:
  explicit VectorBytes(std::string_view in) : in_(in) {}
  template <class T>
  T take() {
    T out = 0;
    if (in_.size() < sizeof(T)) return ok_ = false, in_ = {}, out;
    for (std::size_t i = 0; i < sizeof(T); ++i) out |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(in_[i])) << (8 * i));
    in_.remove_prefix(sizeof(T));
    return out;
  }
  std::string_view text(std::size_t n) {
    if (in_.size() < n) return ok_ = false, in_ = {}, std::string_view();
    const auto out = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }
  bool ok() const { return ok_; }
  bool finished() const { return ok_ && in_.empty(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

template <class T>
void put_little(std::string& out, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((v >> (8 * i)) & 0xff);
}
void put_big(std::string& out, std::uint32_t v) {
  for (int i = 3; i >= 0; --i) out += static_cast<char>((v >> (8 * i)) & 0xff);
}
std::uint32_t big_endian(std::string_view s) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(s[i]);
  return out;
}

Error bad_vector(std::string_view why) { return corrupt(fmt::format("A deletion vector is damaged: {}", why)); }

std::uint32_t vector_checksum(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

/// One 32-bit bitmap of the standard format; its rows are appended with `high` above them.
Result<void> read_bitmap(VectorBytes& in, std::uint64_t high, RowNumbers& out) {
  const auto cookie = in.take<std::uint32_t>();
  std::uint32_t containers = 0;
  std::string_view runs;
  if ((cookie & 0xffff) == kRuns) {
    containers = (cookie >> 16) + 1;
    runs = in.text((containers + 7) / 8);
  } else if (cookie == kNoRuns) {
    containers = in.take<std::uint32_t>();
  } else {
    return fail(bad_vector(fmt::format("{} begins no bitmap", cookie)));
  }
  if (!in.ok() || containers > 65536) return fail(bad_vector("it ends within a bitmap's head"));
  std::vector<std::pair<std::uint16_t, std::uint32_t>> heads(containers);
  for (auto& [key, size] : heads) key = in.take<std::uint16_t>(), size = in.take<std::uint16_t>() + 1u;
  for (std::size_t i = 1; i < heads.size(); ++i)
    if (heads[i].first <= heads[i - 1].first) return fail(bad_vector("its containers are not in order"));
  // Where each container begins: absent only where runs are used by fewer than four. They follow each other, so nothing is looked up.
  if (runs.empty() || containers >= 4) in.text(containers * 4ull);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const auto& [key, size] = heads[i];
    const std::uint64_t base = high << 32 | static_cast<std::uint64_t>(key) << 16;
    const bool is_run = !runs.empty() && (static_cast<unsigned char>(runs[i / 8]) >> (i % 8) & 1);
    const auto before = out.size();
    if (is_run) {
      const auto count = in.take<std::uint16_t>();
      std::uint32_t next = 0;
      for (std::uint16_t r = 0; r < count; ++r) {
        const std::uint32_t start = in.take<std::uint16_t>(), last = start + in.take<std::uint16_t>();
        if (!in.ok() || start < next || last > 0xffff) return fail(bad_vector("a run is out of order"));
        for (auto v = start; v <= last; ++v) out.push_back(base | v);
        next = last + 1;
      }
    } else if (size <= kArrayMost) {
      std::uint32_t next = 0;
      for (std::uint32_t n = 0; n < size; ++n) {
        const std::uint32_t v = in.take<std::uint16_t>();
        if (!in.ok() || v < next) return fail(bad_vector("its values are not in order"));
        out.push_back(base | v);
        next = v + 1;
      }
    } else {
      for (std::uint32_t word = 0; word < 1024; ++word) {
        auto bits = in.take<std::uint64_t>();
        for (std::uint32_t v = word * 64; bits; ++v, bits >>= 1)
          if (bits & 1) out.push_back(base | v);
      }
    }
    if (!in.ok()) return fail(bad_vector("it ends within a container"));
    if (out.size() - before != size) return fail(bad_vector(fmt::format("a container holds {} values where it says {}", out.size() - before, size)));
  }
  return {};
}

void write_bitmap(std::string& out, const std::uint64_t* first, const std::uint64_t* last) {
  struct Container {
    const std::uint64_t *begin, *end;
  };
  std::vector<Container> containers;
  for (auto at = first; at != last;) {
    const auto end = std::find_if(at, last, [&](std::uint64_t v) { return (v >> 16) != (*at >> 16); });
    containers.push_back({at, end});
    at = end;
  }
  put_little<std::uint32_t>(out, kNoRuns);
  put_little<std::uint32_t>(out, static_cast<std::uint32_t>(containers.size()));
  for (const auto& c : containers) {
    put_little<std::uint16_t>(out, static_cast<std::uint16_t>(*c.begin >> 16 & 0xffff));
    put_little<std::uint16_t>(out, static_cast<std::uint16_t>(c.end - c.begin - 1));
  }
  auto offset = static_cast<std::uint32_t>(8 + containers.size() * 8);
  for (const auto& c : containers) {
    put_little<std::uint32_t>(out, offset);
    const auto size = static_cast<std::size_t>(c.end - c.begin);
    offset += static_cast<std::uint32_t>(size <= kArrayMost ? size * 2 : 8192);
  }
  for (const auto& c : containers) {
    if (static_cast<std::size_t>(c.end - c.begin) <= kArrayMost) {
      for (auto v = c.begin; v != c.end; ++v) put_little<std::uint16_t>(out, static_cast<std::uint16_t>(*v & 0xffff));
      continue;
    }
    std::vector<std::uint64_t> words(1024);
    for (auto v = c.begin; v != c.end; ++v) words[(*v & 0xffff) / 64] |= std::uint64_t{1} << (*v % 64);
    for (const auto w : words) put_little<std::uint64_t>(out, w);
  }
}

struct VectorPlace {
  char storage = 0;
  std::string where;
  std::uint64_t offset = 0;
  std::int64_t size = 0, cardinality = 0;
};

Result<VectorPlace> vector_place(const json::value& v) {
  VectorPlace out;
  const auto* o = v.if_object();
  const auto* type = o ? o->if_contains("storageType") : nullptr;
  const auto* where = o ? o->if_contains("pathOrInlineDv") : nullptr;
  const auto number = [&](const char* key, std::int64_t otherwise) {
    const auto* n = o->if_contains(key);
    return n && (n->is_int64() || n->is_uint64()) ? n->to_number<std::int64_t>() : otherwise;
  };
  if (!type || !type->is_string() || type->get_string().size() != 1 || !where || !where->is_string())
    return fail(bad_vector("its descriptor says neither where it is nor how"));
  out.storage = type->get_string()[0];
  out.where = where->get_string();
  out.size = number("sizeInBytes", -1);
  out.cardinality = number("cardinality", -1);
  const auto offset = number("offset", 0);
  if (out.size < 0 || out.size > (std::int64_t{1} << 31) || out.cardinality < 0 || offset < 0)
    return fail(bad_vector("its descriptor has an impossible size"));
  out.offset = static_cast<std::uint64_t>(offset);
  return out;
}

}  // namespace

std::string encode_rows(const RowNumbers& rows) {
  std::string out;
  put_little<std::uint32_t>(out, kMagic);
  std::uint64_t bitmaps = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) bitmaps += i == 0 || (rows[i] >> 32) != (rows[i - 1] >> 32);
  put_little<std::uint64_t>(out, bitmaps);
  for (auto at = rows.data(), last = at + rows.size(); at != last;) {
    const auto end = std::find_if(at, last, [&](std::uint64_t v) { return (v >> 32) != (*at >> 32); });
    put_little<std::uint32_t>(out, static_cast<std::uint32_t>(*at >> 32));
    write_bitmap(out, at, end);
    at = end;
  }
  return out;
}

Result<RowNumbers> decode_rows(std::string_view bytes) {
  // An older form of the same that readers still meet: big-endian counts, and each bitmap's size before it.
  if (bytes.size() >= 8 && big_endian(bytes) == kNativeMagic) {
    const auto count = big_endian(bytes.substr(4));
    bytes.remove_prefix(8);
    RowNumbers out;
    for (std::uint32_t key = 0; key < count; ++key) {
      if (bytes.size() < 4) return fail(bad_vector("it ends before its last bitmap"));
      const auto size = big_endian(bytes);
      if (bytes.size() - 4 < size) return fail(bad_vector("it ends within a bitmap"));
      VectorBytes one(bytes.substr(4, size));
      TARN_CHECK(read_bitmap(one, key, out));
      if (!one.finished()) return fail(bad_vector("a bitmap has another length than it says"));
      bytes.remove_prefix(4 + size);
    }
    if (!bytes.empty()) return fail(bad_vector("it has another length than it says"));
    return out;
  }
  VectorBytes in(bytes);
  if (const auto magic = in.take<std::uint32_t>(); !in.ok() || magic != kMagic) return fail(bad_vector(fmt::format("it begins with {}", magic)));
  RowNumbers out;
  const auto bitmaps = in.take<std::uint64_t>();
  std::int64_t last = -1;
  for (std::uint64_t b = 0; b < bitmaps && in.ok(); ++b) {
    const auto key = in.take<std::uint32_t>();
    if (static_cast<std::int64_t>(key) <= last || key > 0x7fffffff) return fail(bad_vector("its bitmaps are not in order"));
    last = key;
    TARN_CHECK(read_bitmap(in, key, out));
  }
  if (!in.finished()) return fail(bad_vector("it has another length than it says"));
  return out;
}

std::string z85(std::string_view bytes) {
  std::string out, padded(bytes);
  padded.resize((padded.size() + 3) / 4 * 4);
  for (std::size_t i = 0; i < padded.size(); i += 4) {
    auto v = big_endian(std::string_view(padded).substr(i, 4));
    char group[5];
    for (int k = 4; k >= 0; --k) group[k] = kZ85[v % 85], v /= 85;
    out.append(group, 5);
  }
  return out;
}

std::optional<std::string> from_z85(std::string_view text) {
  if (text.size() % 5) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 5) {
    std::uint64_t v = 0;
    for (std::size_t k = 0; k < 5; ++k) {
      const auto digit = kZ85.find(text[i + k]);
      if (digit == std::string_view::npos) return std::nullopt;
      v = v * 85 + digit;
    }
    if (v > 0xffffffff) return std::nullopt;
    put_big(out, static_cast<std::uint32_t>(v));
  }
  return out;
}

Result<std::optional<objects::Url>> vector_file(const json::value& descriptor, const objects::Url& root) {
  TARN_TRY(d, vector_place(descriptor));
  if (d.storage == 'i') return std::optional<objects::Url>();
  if (d.storage == 'p') {
    TARN_TRY(path, decode_path(d.where, root));
    return std::optional(data_url(root, path));
  }
  const auto uuid = d.where.size() >= 20 ? from_z85(std::string_view(d.where).substr(d.where.size() - 20)) : std::nullopt;
  if (d.storage != 'u' || !uuid) return fail(bad_vector("'" + d.where.substr(0, 100) + "' names no file"));
  std::string name = "deletion_vector_";
  for (std::size_t i = 0; i < 16; ++i)
    name += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", static_cast<unsigned char>((*uuid)[i]));
  const auto prefix = d.where.substr(0, d.where.size() - 20);
  TARN_TRY(path, decode_path((prefix.empty() ? std::string() : encode_path(prefix) + "/") + name + ".bin", root));
  return std::optional(data_url(root, path));
}

Result<RowNumbers> read_vector(objects::ObjectStore& objects, const objects::Url& root, const json::value& descriptor) {
  TARN_TRY(d, vector_place(descriptor));
  TARN_TRY(file, vector_file(descriptor, root));
  const auto size = static_cast<std::size_t>(d.size);
  std::string bytes;
  if (!file) {
    auto inlined = from_z85(d.where);
    if (!inlined || inlined->size() < size || inlined->size() > size + 3) return fail(bad_vector("what the log holds of it is not its size"));
    inlined->resize(size);
    bytes = *std::move(inlined);
  } else {
    auto read = objects.get(*file, d.offset, size + 8);
    if (!read) {
      if (read.error().code == objects::Errc::no_such_key)
        return fail(corrupt("The deletion vector " + file->text() + " is gone, though the table's log names it"));
      return fail(storage_error(read.error()));
    }
    if (read->size() != size + 8 || big_endian(*read) != d.size) return fail(bad_vector(file->text() + " does not hold what the log says"));
    bytes = read->substr(4, size);
    if (vector_checksum(bytes) != big_endian(std::string_view(*read).substr(size + 4)))
      return fail(bad_vector(file->text() + " does not have its checksum"));
  }
  TARN_TRY(rows, decode_rows(bytes));
  if (static_cast<std::int64_t>(rows.size()) != d.cardinality)
    return fail(bad_vector(fmt::format("it names {} rows where the log says {}", rows.size(), d.cardinality)));
  return std::move(rows);
}

Result<std::vector<json::value>> write_vectors(objects::ObjectStore& objects, const objects::Url& root, const std::vector<RowNumbers>& vectors) {
  std::vector<json::value> out;
  if (vectors.empty()) return out;
  const auto uuid = new_uuid();
  auto hex = uuid;
  std::erase(hex, '-');
  const auto raw = *crypto::from_hex(hex);
  std::string content(1, '\1');
  for (const auto& rows : vectors) {
    const auto bytes = encode_rows(rows);
    out.push_back(json::object{{"storageType", "u"},
                               {"pathOrInlineDv", z85(raw)},
                               {"offset", static_cast<std::int64_t>(content.size())},
                               {"sizeInBytes", static_cast<std::int64_t>(bytes.size())},
                               {"cardinality", static_cast<std::int64_t>(rows.size())}});
    put_big(content, static_cast<std::uint32_t>(bytes.size()));
    content += bytes;
    put_big(content, vector_checksum(bytes));
  }
  if (auto put = objects.put(under(root, "deletion_vector_" + uuid + ".bin"), content, true); !put) return fail(storage_error(put.error()));
  return out;
}

}  // namespace tarn::delta
