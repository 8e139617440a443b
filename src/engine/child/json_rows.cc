#include "engine/child/json_rows.h"

#include <charconv>

#include "engine/child/handles.h"
#include "engine/child/text_values.h"
#include "engine/child/type_text.h"

namespace tarn::engine::child {

struct JsonRows::Column {
  duckdb_type id{};
  unsigned scale = 0;
  duckdb_type physical{};  // of a decimal or an enum
  std::uint64_t array_size = 0;
  std::vector<std::string> names;  // of struct fields, union members, enum values
  std::vector<std::unique_ptr<Column>> children;

  const void* data = nullptr;
  std::uint64_t* validity = nullptr;

  bool valid(std::uint64_t row) const { return !validity || (validity[row >> 6] >> (row & 63) & 1); }
  template <class T>
  T at(std::uint64_t row) const {
    return static_cast<const T*>(data)[row];
  }
};

namespace {

using Column = JsonRows::Column;

/// The layout of a type; null if it, or a part of it, has no text form.
std::unique_ptr<Column> layout(duckdb_logical_type type) {
  auto c = std::make_unique<Column>();
  c->id = duckdb_get_type_id(type);
  const auto child = [&](duckdb_logical_type t) {
    LogicalType owned(t);
    c->children.push_back(layout(owned.get()));
    return c->children.back() != nullptr;
  };
  switch (c->id) {
    case DUCKDB_TYPE_DECIMAL:
      c->scale = duckdb_decimal_scale(type);
      c->physical = duckdb_decimal_internal_type(type);
      return c;
    case DUCKDB_TYPE_ENUM:
      c->physical = duckdb_enum_internal_type(type);
      for (idx_t i = 0, n = duckdb_enum_dictionary_size(type); i < n; ++i) c->names.push_back(taken(duckdb_enum_dictionary_value(type, i)));
      return c;
    case DUCKDB_TYPE_LIST:
      return child(duckdb_list_type_child_type(type)) ? std::move(c) : nullptr;
    case DUCKDB_TYPE_ARRAY:
      c->array_size = duckdb_array_type_array_size(type);
      return child(duckdb_array_type_child_type(type)) ? std::move(c) : nullptr;
    case DUCKDB_TYPE_MAP:
      return child(duckdb_map_type_key_type(type)) && child(duckdb_map_type_value_type(type)) ? std::move(c) : nullptr;
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0, n = duckdb_struct_type_child_count(type); i < n; ++i) {
        c->names.push_back(taken(duckdb_struct_type_child_name(type, i)));
        if (!child(duckdb_struct_type_child_type(type, i))) return nullptr;
      }
      return c;
    case DUCKDB_TYPE_UNION:
      for (idx_t i = 0, n = duckdb_union_type_member_count(type); i < n; ++i) {
        c->names.push_back(taken(duckdb_union_type_member_name(type, i)));
        if (!child(duckdb_union_type_member_type(type, i))) return nullptr;
      }
      return c;
    case DUCKDB_TYPE_INVALID:
    case DUCKDB_TYPE_ANY:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_VARIANT:
    case DUCKDB_TYPE_STRING_LITERAL:
    case DUCKDB_TYPE_INTEGER_LITERAL:
      return nullptr;
    default:
      return c;
  }
}

void bind_vector(Column& c, duckdb_vector vector) {
  c.data = duckdb_vector_get_data(vector);
  c.validity = duckdb_vector_get_validity(vector);
  switch (c.id) {
    case DUCKDB_TYPE_LIST:
      return bind_vector(*c.children[0], duckdb_list_vector_get_child(vector));
    case DUCKDB_TYPE_ARRAY:
      return bind_vector(*c.children[0], duckdb_array_vector_get_child(vector));
    case DUCKDB_TYPE_MAP: {
      const auto entries = duckdb_list_vector_get_child(vector);  // a list of structs (key, value)
      bind_vector(*c.children[0], duckdb_struct_vector_get_child(entries, 0));
      bind_vector(*c.children[1], duckdb_struct_vector_get_child(entries, 1));
      return;
    }
    case DUCKDB_TYPE_STRUCT:
      for (std::size_t i = 0; i < c.children.size(); ++i) bind_vector(*c.children[i], duckdb_struct_vector_get_child(vector, i));
      return;
    case DUCKDB_TYPE_UNION: {
      const auto tags = duckdb_struct_vector_get_child(vector, 0);  // the first child is the tag
      c.data = duckdb_vector_get_data(tags);
      for (std::size_t i = 0; i < c.children.size(); ++i) bind_vector(*c.children[i], duckdb_struct_vector_get_child(vector, i + 1));
      return;
    }
    default:
      return;
  }
}

template <class T>
void append_number(std::string& out, T v) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}

std::string_view text_at(const Column& c, std::uint64_t row) {
  const auto& s = static_cast<const duckdb_string_t*>(c.data)[row];
  return {duckdb_string_t_data(const_cast<duckdb_string_t*>(&s)), duckdb_string_t_length(s)};
}

__int128 wide(duckdb_hugeint h) { return static_cast<__int128>(static_cast<unsigned __int128>(h.upper) << 64 | h.lower); }

void append_nested(std::string& out, const Column& c, std::uint64_t row);

/// The value's text without quotes or escapes. Not for strings (escaped by the caller) and not for null.
void append_text(std::string& out, const Column& c, std::uint64_t row) {
  switch (c.id) {
    case DUCKDB_TYPE_BOOLEAN:
      out += c.at<bool>(row) ? "true" : "false";
      return;
    case DUCKDB_TYPE_TINYINT:
      return append_number(out, static_cast<int>(c.at<std::int8_t>(row)));
    case DUCKDB_TYPE_SMALLINT:
      return append_number(out, c.at<std::int16_t>(row));
    case DUCKDB_TYPE_INTEGER:
      return append_number(out, c.at<std::int32_t>(row));
    case DUCKDB_TYPE_BIGINT:
      return append_number(out, c.at<std::int64_t>(row));
    case DUCKDB_TYPE_UTINYINT:
      return append_number(out, static_cast<unsigned>(c.at<std::uint8_t>(row)));
    case DUCKDB_TYPE_USMALLINT:
      return append_number(out, c.at<std::uint16_t>(row));
    case DUCKDB_TYPE_UINTEGER:
      return append_number(out, c.at<std::uint32_t>(row));
    case DUCKDB_TYPE_UBIGINT:
      return append_number(out, c.at<std::uint64_t>(row));
    case DUCKDB_TYPE_HUGEINT:
      return append_decimal(out, wide(c.at<duckdb_hugeint>(row)), 0);
    case DUCKDB_TYPE_UHUGEINT: {
      const auto h = c.at<duckdb_uhugeint>(row);
      return append_unsigned128(out, static_cast<unsigned __int128>(h.upper) << 64 | h.lower);
    }
    case DUCKDB_TYPE_FLOAT:
      return append_float(out, c.at<float>(row));
    case DUCKDB_TYPE_DOUBLE:
      return append_double(out, c.at<double>(row));
    case DUCKDB_TYPE_DECIMAL:
      switch (c.physical) {
        case DUCKDB_TYPE_SMALLINT:
          return append_decimal(out, c.at<std::int16_t>(row), c.scale);
        case DUCKDB_TYPE_INTEGER:
          return append_decimal(out, c.at<std::int32_t>(row), c.scale);
        case DUCKDB_TYPE_BIGINT:
          return append_decimal(out, c.at<std::int64_t>(row), c.scale);
        default:
          return append_decimal(out, wide(c.at<duckdb_hugeint>(row)), c.scale);
      }
    case DUCKDB_TYPE_DATE:
      return append_date(out, c.at<std::int32_t>(row));
    case DUCKDB_TYPE_TIMESTAMP:
      return append_timestamp(out, c.at<std::int64_t>(row), false);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return append_timestamp(out, c.at<std::int64_t>(row), true);
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS: {
      const auto v = c.at<std::int64_t>(row);
      if (v == INT64_MAX || v == -INT64_MAX) return append_timestamp(out, v, false);
      if (c.id == DUCKDB_TYPE_TIMESTAMP_NS) return append_timestamp(out, v / 1000 - (v % 1000 < 0), false);
      return append_timestamp(out, v * (c.id == DUCKDB_TYPE_TIMESTAMP_S ? 1'000'000 : 1000), false);
    }
    case DUCKDB_TYPE_TIME:
      return append_time(out, c.at<std::int64_t>(row) * 1000);
    case DUCKDB_TYPE_TIME_NS:
      return append_time(out, c.at<std::int64_t>(row));
    case DUCKDB_TYPE_TIME_TZ: {
      const auto t = duckdb_from_time_tz(c.at<duckdb_time_tz>(row));
      append_time(out, ((t.time.hour * 60LL + t.time.min) * 60 + t.time.sec) * 1'000'000'000 + t.time.micros * 1000LL);
      const int minutes = (t.offset < 0 ? -t.offset : t.offset) / 60;
      out += t.offset < 0 ? '-' : '+';
      if (minutes < 600) out += '0';
      append_number(out, minutes / 60);
      out += minutes % 60 < 10 ? ":0" : ":";
      return append_number(out, minutes % 60);
    }
    case DUCKDB_TYPE_INTERVAL: {
      const auto v = c.at<duckdb_interval>(row);
      return append_interval(out, v.months, v.days, v.micros);
    }
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_GEOMETRY:
      return append_base64(out, text_at(c, row));
    case DUCKDB_TYPE_UUID: {
      // Stored with the top bit flipped, so that it sorts as a signed number.
      const auto v = static_cast<unsigned __int128>(wide(c.at<duckdb_hugeint>(row)));
      return append_uuid(out, v ^ (static_cast<unsigned __int128>(1) << 127));
    }
    case DUCKDB_TYPE_BIT: {
      const auto bits = text_at(c, row);  // one byte of padding count, then the bits; padding bits come first
      if (bits.empty()) return;
      const auto padding = static_cast<unsigned char>(bits[0]);
      for (std::size_t i = padding; i < (bits.size() - 1) * 8; ++i) out += static_cast<unsigned char>(bits[1 + i / 8]) >> (7 - i % 8) & 1 ? '1' : '0';
      return;
    }
    case DUCKDB_TYPE_ENUM: {
      const auto i = c.physical == DUCKDB_TYPE_UTINYINT    ? c.at<std::uint8_t>(row)
                     : c.physical == DUCKDB_TYPE_USMALLINT ? c.at<std::uint16_t>(row)
                                                           : c.at<std::uint32_t>(row);
      out += c.names[i];
      return;
    }
    default:
      return;
  }
}

bool nested(duckdb_type id) { return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY || id == DUCKDB_TYPE_MAP || id == DUCKDB_TYPE_STRUCT; }

void append_leaf(std::string& out, const Column& c, std::uint64_t row) {
  if (c.id == DUCKDB_TYPE_VARCHAR) return append_json_string(out, text_at(c, row));
  if (c.id == DUCKDB_TYPE_ENUM) {
    std::string name;
    append_text(name, c, row);
    return append_json_string(out, name);
  }
  out += '"';
  append_text(out, c, row);
  out += '"';
}

void append_items(std::string& out, const Column& item, std::uint64_t from, std::uint64_t count) {
  out += '[';
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i) out += ',';
    append_nested(out, item, from + i);
  }
  out += ']';
}

/// JSON of a value inside a nested one.
void append_nested(std::string& out, const Column& c, std::uint64_t row) {
  if (!c.valid(row) || c.id == DUCKDB_TYPE_SQLNULL) return void(out += "null");
  switch (c.id) {
    case DUCKDB_TYPE_LIST: {
      const auto e = c.at<duckdb_list_entry>(row);
      return append_items(out, *c.children[0], e.offset, e.length);
    }
    case DUCKDB_TYPE_ARRAY:
      return append_items(out, *c.children[0], row * c.array_size, c.array_size);
    case DUCKDB_TYPE_STRUCT:
      out += '{';
      for (std::size_t i = 0; i < c.children.size(); ++i) {
        if (i) out += ',';
        append_json_string(out, c.names[i]);
        out += ':';
        append_nested(out, *c.children[i], row);
      }
      out += '}';
      return;
    case DUCKDB_TYPE_MAP: {
      const auto e = c.at<duckdb_list_entry>(row);
      out += '{';
      for (std::uint64_t i = e.offset; i < e.offset + e.length; ++i) {
        if (i > e.offset) out += ',';
        const auto& key = *c.children[0];
        if (nested(key.id) || key.id == DUCKDB_TYPE_UNION) {
          std::string text;
          append_nested(text, key, i);
          append_json_string(out, text);
        } else {
          append_leaf(out, key, i);
        }
        out += ':';
        append_nested(out, *c.children[1], i);
      }
      out += '}';
      return;
    }
    case DUCKDB_TYPE_UNION:
      return append_nested(out, *c.children[c.at<std::uint8_t>(row)], row);
    default:
      return append_leaf(out, c, row);
  }
}

}  // namespace

JsonRows::JsonRows(const std::vector<std::string>& names, const std::vector<duckdb_logical_type>& types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    columns_.push_back(layout(types[i]));
    if (!columns_.back() && unsupported_.empty())
      unsupported_ = "Column '" + names[i] + "' has type " + type_text(types[i]) + ", which has no text form: cast it to VARCHAR";
  }
}

JsonRows::~JsonRows() = default;

void JsonRows::bind(duckdb_data_chunk chunk) {
  for (std::size_t i = 0; i < columns_.size(); ++i) bind_vector(*columns_[i], duckdb_data_chunk_get_vector(chunk, i));
}

void JsonRows::append(std::string& out, std::uint64_t row) {
  out += '[';
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i) out += ',';
    const Column* c = columns_[i].get();
    if (!c->valid(row) || c->id == DUCKDB_TYPE_SQLNULL) {
      out += "null";
      continue;
    }
    while (c->id == DUCKDB_TYPE_UNION) {
      c = c->children[c->at<std::uint8_t>(row)].get();
      if (!c->valid(row)) break;
    }
    if (!c->valid(row)) {
      out += "null";
    } else if (nested(c->id)) {
      scratch_.clear();
      append_nested(scratch_, *c, row);
      append_json_string(out, scratch_);
    } else {
      append_leaf(out, *c, row);
    }
  }
  out += ']';
}

}  // namespace tarn::engine::child
