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

void put(Encoder& e, std::int64_t v) { e.u64(static_cast<std::uint64_t>(v)); }
std::int64_t number(Decoder& d) { return static_cast<std::int64_t>(d.u64()); }
/// Counts are never negative: -1 says that there is none.
void put(Encoder& e, const std::optional<std::int64_t>& v) { put(e, v.value_or(-1)); }
std::optional<std::int64_t> optional_number(Decoder& d) {
  const auto v = number(d);
  return v < 0 ? std::nullopt : std::optional(v);
}
void put_seconds(Encoder& e, double v) { e.u64(static_cast<std::uint64_t>(v * 1e6)); }
double seconds(Decoder& d) { return static_cast<double>(d.u64()) / 1e6; }

void put(Encoder& e, const Profile& p) {
  put_seconds(e, p.seconds), put_seconds(e, p.cpu_seconds);
  put(e, p.rows), put(e, p.rows_read), put(e, p.bytes_read);
  put(e, p.files), put(e, p.file_bytes), put(e, p.spilled_bytes), put(e, p.operators_left_out);
  e.u32(static_cast<std::uint32_t>(p.operators.size()));
  for (const auto& o : p.operators) {
    e.text(o.name), e.u32(o.depth), put_seconds(e, o.seconds), put(e, o.rows), put(e, o.files_planned), put(e, o.files_opened), e.text(o.file);
    e.u32(static_cast<std::uint32_t>(o.details.size()));
    for (const auto& [key, value] : o.details) e.text(key), e.text(value);
  }
}

Profile profile(Decoder& d) {
  Profile p;
  p.seconds = seconds(d), p.cpu_seconds = seconds(d);
  p.rows = number(d), p.rows_read = number(d), p.bytes_read = number(d);
  p.files = optional_number(d), p.file_bytes = optional_number(d), p.spilled_bytes = optional_number(d);
  p.operators_left_out = number(d);
  for (auto n = d.u32(); d.ok() && n > 0; --n) {
    Operator o;
    o.name = d.text(), o.depth = d.u32(), o.seconds = seconds(d), o.rows = number(d);
    o.files_planned = optional_number(d), o.files_opened = optional_number(d), o.file = d.text();
    for (auto m = d.u32(); d.ok() && m > 0; --m) {
      auto key = d.text();
      o.details.emplace_back(std::move(key), d.text());
    }
    p.operators.push_back(std::move(o));
  }
  return p;
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
  e.u32(static_cast<std::uint32_t>(s.share.threads)), e.u64(s.share.memory_bytes), e.u64(s.share.spill_bytes);
  return std::move(e.out);
}

bool decode(std::string_view in, Scope& s) {
  Decoder d(in);
  s.directories = d.texts(), s.writable = d.texts();
  s.share.threads = static_cast<int>(d.u32()), s.share.memory_bytes = d.u64(), s.share.spill_bytes = d.u64();
  return d.finished();
}

std::string encode(const Request& r, bool profile) {
  Encoder e;
  e.u8(r.format == Format::arrow_stream), e.u8(r.keep_plan), e.u8(profile), e.u64(r.chunk_rows), e.u64(r.chunk_bytes),
      e.u64(static_cast<std::uint64_t>(r.row_limit.value_or(-1)));
  e.text(r.sql);
  return std::move(e.out);
}

bool decode(std::string_view in, Request& r) {
  Decoder d(in);
  r.format = d.u8() ? Format::arrow_stream : Format::json_array;
  r.keep_plan = d.u8() != 0, r.profile = d.u8() != 0;
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
      e.text(r.field_ids), e.text(r.mark), e.u8(r.profile), e.text(o.token);
  return std::move(e.out);
}

bool decode(std::string_view in, WriteOrder& o) {
  auto& r = o.request;
  Decoder d(in);
  r.query = d.text(), r.directory = d.text(), r.most_rows_per_file = static_cast<std::int64_t>(d.u64()), r.partition_by = d.texts(),
  r.compression = d.text(), r.field_ids = d.text(), r.mark = d.text(), r.profile = d.u8() != 0, o.token = d.text();
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
  put(e, s.rows), e.u8(s.truncated), put_seconds(e, s.seconds), e.u8(s.profile.has_value());
  if (s.profile) put(e, *s.profile);
  return std::move(e.out);
}

bool decode(std::string_view in, Summary& s) {
  Decoder d(in);
  s.rows = number(d), s.truncated = d.u8() != 0, s.seconds = seconds(d);
  s.profile.reset();
  if (d.u8() != 0) s.profile = profile(d);
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
