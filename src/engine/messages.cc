#include "engine/messages.h"

namespace tarn::engine {
namespace {

void put(Encoder& e, const std::optional<std::string>& v) {
  e.u8(v ? 1 : 0);
  if (v) e.text(*v);
}

std::optional<std::string> optional_text(Decoder& d) {
  if (d.u8() == 0) return {};
  return d.text();
}

}  // namespace

std::string encode(const Settings& s) {
  Encoder e;
  e.u32(s.threads), e.u64(s.memory_bytes), e.text(s.spill_directory), e.u64(s.spill_bytes), e.u64(s.most_row_bytes), e.u32(s.run_as_uid),
      e.u8(s.verify_extensions);
  e.texts(s.extensions);
  return std::move(e.out);
}

bool decode(std::string_view in, Settings& s) {
  Decoder d(in);
  s.threads = d.u32(), s.memory_bytes = d.u64(), s.spill_directory = d.text(), s.spill_bytes = d.u64(), s.most_row_bytes = d.u64(),
  s.run_as_uid = d.u32(), s.verify_extensions = d.u8() != 0;
  s.extensions = d.texts();
  return d.finished();
}

std::string encode(const Scope& s) {
  Encoder e;
  e.texts(s.directories), e.texts(s.writable);
  return std::move(e.out);
}

bool decode(std::string_view in, Scope& s) {
  Decoder d(in);
  s.directories = d.texts(), s.writable = d.texts();
  return d.finished();
}

std::string encode(const Request& r) {
  Encoder e;
  e.u8(r.format == Format::arrow_stream), e.u8(r.keep_plan), e.u64(r.chunk_rows), e.u64(r.chunk_bytes),
      e.u64(static_cast<std::uint64_t>(r.row_limit.value_or(-1)));
  e.text(r.sql);
  return std::move(e.out);
}

bool decode(std::string_view in, Request& r) {
  Decoder d(in);
  r.format = d.u8() ? Format::arrow_stream : Format::json_array;
  r.keep_plan = d.u8() != 0;
  r.chunk_rows = d.u64(), r.chunk_bytes = d.u64();
  const auto limit = static_cast<std::int64_t>(d.u64());
  r.row_limit = limit < 0 ? std::nullopt : std::optional(limit);
  r.sql = d.text();
  return d.finished() && r.chunk_rows > 0 && r.chunk_bytes > 0;
}

std::string encode(const WriteOrder& o) {
  const auto& r = o.request;
  Encoder e;
  e.text(r.query), e.text(r.directory), e.u64(static_cast<std::uint64_t>(r.most_rows_per_file)), e.texts(r.partition_by), e.text(r.compression),
      e.text(r.field_ids), e.text(o.token);
  return std::move(e.out);
}

bool decode(std::string_view in, WriteOrder& o) {
  auto& r = o.request;
  Decoder d(in);
  r.query = d.text(), r.directory = d.text(), r.most_rows_per_file = static_cast<std::int64_t>(d.u64()), r.partition_by = d.texts(),
  r.compression = d.text(), r.field_ids = d.text(), o.token = d.text();
  return d.finished() && r.most_rows_per_file > 0;
}

std::string encode(const std::vector<Column>& columns) {
  Encoder e;
  e.u32(static_cast<std::uint32_t>(columns.size()));
  for (const auto& c : columns) e.text(c.name), e.text(c.type);
  return std::move(e.out);
}

bool decode(std::string_view in, std::vector<Column>& out) {
  Decoder d(in);
  out.clear();
  for (auto n = d.u32(); d.ok() && n > 0; --n) {
    Column c;
    c.name = d.text(), c.type = d.text();
    out.push_back(std::move(c));
  }
  return d.finished();
}

std::string encode(const std::vector<WrittenFile>& files) {
  Encoder e;
  e.u32(static_cast<std::uint32_t>(files.size()));
  for (const auto& f : files) {
    e.text(f.path), e.u64(static_cast<std::uint64_t>(f.rows)), e.u64(f.bytes);
    e.u32(static_cast<std::uint32_t>(f.partition_values.size()));
    for (const auto& [name, value] : f.partition_values) e.text(name), put(e, value);
    e.u32(static_cast<std::uint32_t>(f.columns.size()));
    for (const auto& c : f.columns) {
      e.texts(c.path), e.text(c.type), put(e, c.min), put(e, c.max);
      e.u64(static_cast<std::uint64_t>(c.null_count.value_or(-1))), e.u8(c.has_nan);
    }
  }
  return std::move(e.out);
}

bool decode(std::string_view in, std::vector<WrittenFile>& out) {
  Decoder d(in);
  out.clear();
  for (auto n = d.u32(); d.ok() && n > 0; --n) {
    WrittenFile f;
    f.path = d.text(), f.rows = static_cast<std::int64_t>(d.u64()), f.bytes = d.u64();
    for (auto m = d.u32(); d.ok() && m > 0; --m) {
      auto name = d.text();
      f.partition_values[name] = optional_text(d);
    }
    for (auto m = d.u32(); d.ok() && m > 0; --m) {
      ColumnStatistics c;
      c.path = d.texts(), c.type = d.text(), c.min = optional_text(d), c.max = optional_text(d);
      const auto nulls = static_cast<std::int64_t>(d.u64());
      if (nulls >= 0) c.null_count = nulls;
      c.has_nan = d.u8() != 0;
      f.columns.push_back(std::move(c));
    }
    out.push_back(std::move(f));
  }
  return d.finished();
}

std::string encode(const Summary& s) {
  Encoder e;
  e.u64(static_cast<std::uint64_t>(s.rows)), e.u8(s.truncated), e.u64(static_cast<std::uint64_t>(s.seconds * 1e6));
  return std::move(e.out);
}

bool decode(std::string_view in, Summary& s) {
  Decoder d(in);
  s.rows = static_cast<std::int64_t>(d.u64()), s.truncated = d.u8() != 0, s.seconds = static_cast<double>(d.u64()) / 1e6;
  return d.finished();
}

std::string encode(const Error& error) {
  Encoder e;
  e.u32(static_cast<std::uint32_t>(error.code)), e.text(error.message);
  return std::move(e.out);
}

bool decode(std::string_view in, Error& out) {
  Decoder d(in);
  const auto code = d.u32();
  out = {static_cast<Errc>(code), d.text()};
  return d.finished() && code <= static_cast<std::uint32_t>(Errc::too_large);
}

}  // namespace tarn::engine
