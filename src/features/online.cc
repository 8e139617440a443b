#include "features/online.h"

#include <fmt/format.h>

#include "base/log.h"

namespace tarn::features {
namespace {

constexpr std::size_t kMostKeys = 2'000'000;

std::string quoted_name(std::string_view name) {
  std::string out = "`";
  for (const char c : name) out += c == '`' ? "``" : std::string(1, c);
  return out + "`";
}

std::string table_name(const std::string& full) {
  std::string out;
  for (std::size_t from = 0; from <= full.size();) {
    const auto dot = std::min(full.find('.', from), full.size());
    out += (out.empty() ? "" : ".") + quoted_name(full.substr(from, dot - from));
    from = dot + 1;
  }
  return out;
}

bool is_text(std::string_view type) {
  return type.starts_with("string") || type.starts_with("date") || type.starts_with("timestamp") || type.starts_with("binary") ||
         type.starts_with("interval");
}

json::value typed(const std::optional<std::string>& text, std::string_view type) {
  if (!text) return nullptr;
  if (is_text(type)) return json::value(boost::json::string(*text));
  const auto v = json::parse(*text);
  return v ? *v : json::value(nullptr);  // NaN: a missing value
}

/// A key's part as both sides write it: 12 and 12.0 are one.
std::string key_part(const json::value& v) {
  if (v.is_string()) return std::string(v.get_string());
  if (v.is_double() && v.get_double() == static_cast<double>(static_cast<std::int64_t>(v.get_double())))
    return std::to_string(static_cast<std::int64_t>(v.get_double()));
  return boost::json::serialize(v);
}

/// A request's rows as records, whatever its format.
Result<json::array> records_of(const json::object& body) {
  if (const auto* split = body.if_contains("dataframe_split")) {
    const auto* o = split->if_object();
    const auto* columns = o ? o->if_contains("columns") : nullptr;
    const auto* data = o ? o->if_contains("data") : nullptr;
    if (!columns || !columns->is_array() || !data || !data->is_array()) return fail(Error("Field 'dataframe_split' must have columns and data"));
    json::array out;
    for (const auto& row : data->get_array()) {
      if (!row.is_array() || row.get_array().size() != columns->get_array().size())
        return fail(Error("Field 'dataframe_split.data' must have one value a column in each row"));
      json::object record;
      for (std::size_t i = 0; i < row.get_array().size(); ++i) {
        if (!columns->get_array()[i].is_string()) return fail(Error("Field 'dataframe_split.columns' must be names"));
        record[columns->get_array()[i].get_string()] = row.get_array()[i];
      }
      out.push_back(std::move(record));
    }
    return out;
  }
  for (const char* field : {"dataframe_records", "instances", "inputs"}) {
    const auto* v = body.if_contains(field);
    if (!v) continue;
    if (const auto* o = v->if_object(); o && std::string_view(field) == "inputs") {
      json::array out;
      for (const auto& kv : *o) {
        const auto* list = kv.value().if_array();
        const std::size_t n = list ? list->size() : 1;
        if (out.empty()) out.resize(n, json::object());
        if (out.size() != n)
          return fail(fmt::format("Field 'inputs.{}' has {} values where other columns have {}", std::string(kv.key()), n, out.size()));
        for (std::size_t i = 0; i < n; ++i) out[i].as_object()[kv.key()] = list ? (*list)[i] : kv.value();
      }
      return out;
    }
    if (!v->is_array() || std::ranges::any_of(v->get_array(), [](const auto& r) { return !r.is_object(); }))
      return fail(fmt::format("Field '{}' must be records: the model looks its features up by the names of its keys", field));
    return v->get_array();
  }
  return fail(Error("The request must have one of the fields dataframe_split, dataframe_records, instances, inputs"));
}

}  // namespace

Result<std::shared_ptr<const Copy::Values>> Copy::load(const std::string& version) const {
  std::string keys, features;
  for (const auto& [column, name] : lookup_.keys) keys += (keys.empty() ? "" : ", ") + quoted_name(column);
  for (const auto& f : lookup_.features) features += ", " + quoted_name(f);
  const auto table = table_name(lookup_.table);
  const std::string sql =
      lookup_.timeseries
          ? fmt::format(
                "SELECT {0}{1} FROM (SELECT *, row_number() OVER (PARTITION BY {0} ORDER BY {2} DESC) AS tarn_newest FROM {3}) WHERE tarn_newest = 1",
                keys, features, quoted_name(*lookup_.timeseries), table)
          : fmt::format("SELECT {}{} FROM {}", keys, features, table);
  TARN_TRY(rows, query_(ctx_, sql));
  if (rows.rows.size() > kMostKeys)
    return fail(fmt::format("the feature table {} has {} keys; an online copy holds at most {}", lookup_.table, rows.rows.size(), kMostKeys));
  auto out = std::make_shared<Values>();
  out->version = version;
  out->types = rows.types;
  const auto width = lookup_.keys.size();
  for (const auto& row : rows.rows) {
    std::string key;
    bool whole = row.size() == width + lookup_.features.size();
    for (std::size_t i = 0; whole && i < width; ++i) {
      whole = row[i].has_value();  // a null finds nothing
      if (whole) key += key_part(typed(row[i], rows.types[i])) + '\x1f';
    }
    if (!whole) continue;
    std::vector<json::value> values;
    for (std::size_t i = width; i < row.size(); ++i) values.push_back(typed(row[i], rows.types[i]));
    if (!out->by_key.emplace(std::move(key), std::move(values)).second)
      return fail(fmt::format("the feature table {} has two rows of one key and no time-series key to choose by", lookup_.table));
  }
  return std::shared_ptr<const Values>(std::move(out));
}

Result<void> Copy::refresh() {
  std::lock_guard one(loading_);
  const auto fresh = [&]() -> Result<std::shared_ptr<const Values>> {
    // The version before the rows: a commit in between is loaded again with the next turn.
    // What tells one snapshot of a table from another: its id, its last commit's time, its files and their size.
    TARN_TRY(detail, query_(ctx_, "DESCRIBE DETAIL " + table_name(lookup_.table)));
    std::string version;
    for (const auto& row : detail.rows)
      for (const auto& cell : row) version += cell.value_or("") + '\x1f';
    {
      std::lock_guard lock(mutex_);
      if (values_ && values_->version == version) return values_;
    }
    return load(version);
  }();
  std::lock_guard lock(mutex_);
  if (!fresh) {
    values_ = nullptr;
    why_ = fresh.error();
    return fail(why_);
  }
  values_ = *fresh;
  return {};
}

Result<std::shared_ptr<const Copy::Values>> Copy::values() const {
  std::lock_guard lock(mutex_);
  if (!values_) return fail(fmt::format("the features of {} cannot be looked up: {}", lookup_.table, why_));
  return values_;
}

Result<std::string> Features::filled(std::string_view body, const std::vector<std::string>& wanted) const {
  const auto doc = json::parse(body);
  if (!doc || !doc->is_object()) return fail(Error("The request's body is not a JSON object" + (doc ? std::string() : ": " + doc.error().message())));
  TARN_TRY(records, records_of(doc->get_object()));
  std::set<std::string_view> takes(wanted.begin(), wanted.end());
  for (const auto& copy : copies_) {
    TARN_TRY(values, copy->values());
    const auto& l = copy->lookup();
    for (std::size_t r = 0; r < records.size(); ++r) {
      auto& record = records[r].as_object();
      std::string key;
      for (const auto& [column, name] : l.keys) {
        const auto* v = record.if_contains(name);
        if (!v) return fail(fmt::format("Field 'dataframe_records[{}]' misses the key '{}' of the feature table {}", r, name, l.table));
        key += v->is_null() ? "\x01" : key_part(*v) + '\x1f';
      }
      const auto found = values->by_key.find(key);
      for (std::size_t i = 0; i < l.features.size(); ++i)
        if (!record.contains(l.features[i])) record[l.features[i]] = found == values->by_key.end() ? json::value(nullptr) : found->second[i];
    }
  }
  // Keys that served the lookups only.
  for (auto& r : records)
    for (const auto& copy : copies_)
      for (const auto& [column, name] : copy->lookup().keys)
        if (!takes.contains(name)) r.as_object().erase(name);
  json::object out{{"dataframe_records", std::move(records)}};
  if (const auto* params = doc->get_object().if_contains("params")) out["params"] = *params;
  return boost::json::serialize(out);
}

void Online::start() {
  thread_ = std::jthread([this](std::stop_token stop) { follow(stop); });
}

void Online::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

Result<std::shared_ptr<const Features>> Online::open(const access::Context& ctx, std::string_view text) {
  const auto spec = json::decode_text<Spec>(text);
  if (!spec) return fail("feature_spec.json: " + spec.error().message());
  std::vector<std::shared_ptr<Copy>> copies;
  for (const auto& l : spec->lookups) {
    if (l.keys.empty() || l.features.empty()) return fail(Error("feature_spec.json: a lookup must have keys and features"));
    auto copy = std::make_shared<Copy>(l, ctx, query_);
    TARN_CHECK(copy->refresh());
    copies.push_back(std::move(copy));
  }
  std::lock_guard lock(mutex_);
  copies_.insert(copies_.end(), copies.begin(), copies.end());
  return std::make_shared<const Features>(std::move(copies));
}

void Online::follow(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::vector<std::shared_ptr<Copy>> live;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kPoll, [] { return false; });
      std::erase_if(copies_, [](const auto& c) { return c.expired(); });
      for (const auto& c : copies_)
        if (auto held = c.lock()) live.push_back(std::move(held));
    }
    for (const auto& c : live) {
      if (stop.stop_requested()) return;
      if (const auto done = c->refresh(); !done)
        spdlog::warn("features: an online copy cannot be kept fresh table={} cause=\"{}\"", c->lookup().table, done.error());
    }
  }
}

}  // namespace tarn::features
