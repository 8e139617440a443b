// Drives tarn::delta for tests/delta: commands as JSON lines on standard input, answers as JSON lines on standard output; or `hammer`, many
// threads that append, update and delete on one table and say what they were told.
//   delta_tool OBJECTS                                        s3://lake is the folder OBJECTS/lake
//   delta_tool OBJECTS hammer TABLE TEMPLATE NAME THREADS OPERATIONS SEED
// DELTA_TOOL_ROWS: how many rows the template has; with more than one, rows are also marked by deletion vectors. DELTA_TOOL_BUCKET: instead of lake.
// DELTA_TOOL_KILL=before:N or after:N ends the process with SIGKILL around its Nth write to the object store.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "delta/data_files.h"
#include "delta/paths.h"
#include "delta/stats.h"
#include "objects/local_objects.h"
#include "objects/remote_s3.h"

namespace {

using namespace tarn;
using json::object;
using json::value;

/// Folders, or with DELTA_TOOL_S3 (an endpoint and keys, as JSON) a service that speaks S3.
std::unique_ptr<objects::ObjectStore> store_of(const std::string& root, const Clock& clock) {
  const char* s3 = std::getenv("DELTA_TOOL_S3");
  if (!s3) return std::make_unique<objects::LocalObjects>(root);
  const auto given = json::parse(s3)->get_object();
  const auto text = [&](const char* key) { return std::string(given.at(key).get_string()); };
  return std::make_unique<objects::RemoteS3>(objects::RemoteS3::Options{.endpoint = text("endpoint"),
                                                                        .region = "us-east-1",
                                                                        .access_key_id = text("access_key_id"),
                                                                        .secret_access_key = text("secret_access_key"),
                                                                        .session_token = text("session_token")},
                                             clock);
}

/// A store that dies where it is told to.
class MortalObjects final : public objects::ObjectStore {
 public:
  MortalObjects(const std::string& root, const Clock& clock) : inner_owner_(store_of(root, clock)), inner_(*inner_owner_) {
    const char* kill = std::getenv("DELTA_TOOL_KILL");
    if (!kill) return;
    const std::string_view text(kill);
    before_ = text.starts_with("before:");
    at_ = std::atoi(text.substr(text.find(':') + 1).data());
  }
  template <class T>
  using R = objects::Result<T>;
  R<void> create_bucket(std::string_view b) override { return inner_.create_bucket(b); }
  bool bucket_exists(std::string_view b) override { return inner_.bucket_exists(b); }
  R<std::string> get(const objects::Url& u, std::uint64_t o, std::optional<std::uint64_t> l) override { return inner_.get(u, o, l); }
  R<objects::ObjectInfo> head(const objects::Url& u) override { return inner_.head(u); }
  R<objects::ObjectInfo> put(const objects::Url& u, std::string_view c, bool absent) override {
    const int n = ++writes_;
    if (before_ && n == at_) ::kill(::getpid(), SIGKILL);
    auto out = inner_.put(u, c, absent);
    if (!before_ && n == at_) ::kill(::getpid(), SIGKILL);
    return out;
  }
  R<void> remove(const objects::Url& u) override { return inner_.remove(u); }
  R<objects::Listing> list(std::string_view b, std::string_view p, std::string_view a, std::size_t n, std::string_view d) override {
    return inner_.list(b, p, a, n, d);
  }
  R<void> remove_all(const objects::Url& u) override { return inner_.remove_all(u); }
  std::optional<std::string> local_path(const objects::Url& u) override { return inner_.local_path(u); }

 private:
  std::unique_ptr<objects::ObjectStore> inner_owner_;
  objects::ObjectStore& inner_;
  bool before_ = false;
  int at_ = -1;
  std::atomic<int> writes_{0};
};

struct Tool {
  explicit Tool(const std::string& root) : objects(root, clock), codec(delta::duckdb_parquet_codec(objects)), log(objects, *codec, clock) {}
  SystemClock clock;
  MortalObjects objects;
  std::unique_ptr<delta::ParquetCodec> codec;
  delta::DeltaLog log;
};

std::string text(const object& o, const char* key, std::string otherwise = "") {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : otherwise;
}
std::int64_t number(const object& o, const char* key, std::int64_t otherwise) {
  const auto* v = o.if_contains(key);
  return v && v->is_int64() ? v->get_int64() : otherwise;
}
bool flag(const object& o, const char* key, bool otherwise) {
  const auto* v = o.if_contains(key);
  return v && v->is_bool() ? v->get_bool() : otherwise;
}
json::array list(const object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v && v->is_array() ? v->get_array() : json::array{};
}

object failure(const delta::Error& e) {
  static constexpr const char* names[] = {"not_a_table",    "already_exists",  "unsupported_feature", "conflict",          "corrupt",
                                          "invalid_schema", "invalid_request", "constraint",          "version_not_found", "storage"};
  return {{"error", names[static_cast<int>(e.code)]}, {"message", e.message}};
}

delta::Metadata metadata_of(const object& o) {
  delta::Metadata m;
  for (const auto& f : list(o, "columns")) {
    const auto& field = f.get_object();
    auto type = delta::delta_type(text(field, "type"));
    m.schema.fields.push_back({text(field, "name"), type ? *type : value(text(field, "type")), flag(field, "nullable", true), {}});
  }
  for (const auto& p : list(o, "partitions")) m.partition_columns.emplace_back(p.get_string());
  if (const auto* c = o.if_contains("properties"))
    for (const auto& [k, v] : c->get_object()) m.configuration[k] = std::string(v.get_string());
  return m;
}

/// {path, size, rows, partition: {}, columns: {"\"a\"": {min, max, null_count, has_nan}}}: the columns as DuckDB's RETURN_STATS names them.
delta::AddFile add_of(const object& o, const delta::Metadata& m) {
  delta::AddFile f;
  f.path = text(o, "path");
  f.size = static_cast<std::uint64_t>(number(o, "size", 0));
  if (const auto* p = o.if_contains("partition"))
    for (const auto& [k, v] : p->get_object()) f.partition_values[k] = v.is_null() ? std::nullopt : std::optional(std::string(v.get_string()));
  std::vector<delta::ColumnStats> columns;
  if (const auto* c = o.if_contains("columns"))
    for (const auto& [name, s] : c->get_object()) {
      delta::ColumnStats one;
      one.path = delta::stats_path(name, m.schema);
      if (one.path.empty()) continue;
      const auto& stats = s.get_object();
      if (stats.contains("min")) one.min = text(stats, "min");
      if (stats.contains("max")) one.max = text(stats, "max");
      if (stats.contains("null_count")) one.null_count = std::atoll(text(stats, "null_count").c_str());
      one.has_nan = text(stats, "has_nan") == "true";
      columns.push_back(std::move(one));
    }
  f.stats = delta::stats_json(m, number(o, "rows", 0), columns);
  return f;
}

object answer(Tool& t, const object& o) {
  const std::string op = text(o, "op");
  const objects::Url root{"lake", text(o, "table")};
  auto version = [](const delta::Result<std::int64_t>& r) { return r ? object{{"version", *r}} : failure(r.error()); };
  if (op == "create") {
    const auto m = metadata_of(o);
    std::vector<delta::AddFile> files;
    for (const auto& f : list(o, "add")) files.push_back(add_of(f.get_object(), m));
    return version(t.log.create(root, m, std::move(files), "tester"));
  }
  if (op == "commit") {
    auto before = t.log.snapshot(root);
    if (!before) return failure(before.error());
    static const std::map<std::string, delta::Operation> operations{{"append", delta::Operation::write_append},
                                                                    {"overwrite", delta::Operation::write_overwrite},
                                                                    {"delete", delta::Operation::delete_},
                                                                    {"update", delta::Operation::update},
                                                                    {"merge", delta::Operation::merge}};
    delta::Commit c;
    c.operation = operations.at(text(o, "operation", "append"));
    c.user_name = "tester";
    for (const auto& f : list(o, "add")) c.add.push_back(add_of(f.get_object(), (*before)->metadata));
    for (const auto& r : list(o, "remove")) {
      c.remove.push_back({std::string(r.get_string())});
      c.read_files.emplace_back(r.get_string());
    }
    if (c.operation == delta::Operation::write_overwrite)
      for (const auto& f : (*before)->files) c.remove.push_back({f.path});
    c.blind_append = c.remove.empty();
    if (const auto* x = o.if_contains("transaction")) c.transaction = std::pair(std::string(x->at(0).get_string()), x->at(1).get_int64());
    if (o.contains("new_columns")) {
      c.metadata = (*before)->metadata;
      for (auto& f : metadata_of(object{{"columns", o.at("new_columns")}}).schema.fields) c.metadata->schema.fields.push_back(f);
      c.operation = delta::Operation::change_columns;
    }
    return version(t.log.commit(root, number(o, "read_version", (*before)->version), std::move(c)));
  }
  if (op == "snapshot") {
    auto s = t.log.snapshot(root, o.contains("version") ? std::optional(o.at("version").get_int64()) : std::nullopt);
    if (!s) return failure(s.error());
    auto data = delta::data_files(**s, root, t.objects);
    if (!data) return failure(data.error());
    auto sql = delta::relation_sql(*data);
    if (!sql) return failure(sql.error());
    json::array files;
    for (const auto& f : data->files) files.push_back(object{{"path", f.path}, {"size", f.size}, {"rows", f.rows ? value(*f.rows) : value()}});
    json::array columns;
    for (const auto& c : data->columns) columns.push_back(object{{"name", c.name}, {"type", c.duckdb}});
    object transactions;
    for (const auto& [app, x] : (*s)->transactions) transactions[app] = x.version;
    return {{"version", (*s)->version},
            {"files", files},
            {"columns", columns},
            {"sql", *sql},
            {"read_only", data->read_only},
            {"transactions", transactions},
            {"tombstones", (*s)->tombstones.size()}};
  }
  if (op == "set_properties") {
    std::map<std::string, std::optional<std::string>> changes;
    for (const auto& [k, v] : o.at("properties").get_object()) changes[k] = v.is_null() ? std::nullopt : std::optional(std::string(v.get_string()));
    return version(t.log.set_properties(root, changes, "tester"));
  }
  if (op == "checkpoint") {
    auto done = t.log.checkpoint(root);
    return done ? object{{"done", true}} : failure(done.error());
  }
  if (op == "drain") return t.log.drain(), object{{"done", true}};
  if (op == "history") {
    auto h = t.log.history(root, 1000);
    if (!h) return failure(h.error());
    json::array out;
    for (const auto& c : *h)
      out.push_back(object{{"version", c.version}, {"operation", c.operation}, {"user", c.user_name}, {"metrics", c.operation_metrics}});
    return {{"history", out}};
  }
  return {{"error", "unknown op " + op}};
}

/// Each thread's rows are partitions of one shared template file, linked under a new name: the partition value is the row's identity.
int hammer(Tool& t, char** argv) {
  const char* bucket = std::getenv("DELTA_TOOL_BUCKET");
  const char* rows_text = std::getenv("DELTA_TOOL_ROWS");
  const auto rows = rows_text ? static_cast<std::uint64_t>(std::atoi(rows_text)) : 1;
  const objects::Url root{bucket ? bucket : "lake", argv[0]};
  const std::string source = argv[1], name = argv[2];
  const int threads = std::atoi(argv[3]), operations = std::atoi(argv[4]);
  const auto seed = static_cast<unsigned>(std::atoi(argv[5]));
  std::mutex out_mutex;
  auto say = [&](const object& o) {
    const std::string line = boost::json::serialize(o) + "\n";
    std::lock_guard lock(out_mutex);
    if (::write(1, line.data(), line.size()) < 0) std::abort();
  };
  const auto size = std::filesystem::file_size(source);
  auto work = [&](int thread) {
    std::mt19937 random(seed * 1000 + static_cast<unsigned>(thread));
    for (int i = 0; i < operations; ++i) {
      const std::string id = fmt::format("{}-{}-{}", name, thread, i);
      auto before = t.log.snapshot(root);
      if (!before) {
        say(failure(before.error()));
        continue;
      }
      delta::Commit c;
      object told;
      const auto choice = random() % 10;
      const auto& files = (*before)->files;
      if (choice < 3 && rows > 1 && !files.empty()) {
        // One row of a file, which is another one for each of its vectors.
        const auto& victim = files[random() % files.size()];
        delta::RowNumbers gone;
        if (!victim.deletion_vector.is_null()) {
          auto read = delta::read_vector(t.objects, root, victim.deletion_vector);
          if (!read) {
            say(failure(read.error()));
            continue;
          }
          gone = *std::move(read);
        }
        std::uint64_t row = 0;
        while (row < gone.size() && gone[row] == row) ++row;
        gone.insert(gone.begin() + static_cast<std::ptrdiff_t>(row), row);
        c.operation = delta::Operation::delete_;
        c.remove.push_back({victim.path});
        c.read_files = {victim.path};
        c.read_partitions = {{{"who", victim.partition_values.at("who")}}};
        c.blind_append = false;
        if (gone.size() < rows) {
          auto made = delta::write_vectors(t.objects, root, {gone});
          if (!made) {
            say(failure(made.error()));
            continue;
          }
          c.add.push_back(victim);
          c.add.back().deletion_vector = (*made)[0];
          c.add.back().data_change = true;
        }
        told["mark"] = *victim.partition_values.at("who");
        told["row"] = row;
      } else if (choice < 6 || files.empty()) {
        told["add"] = id;
      } else {
        const auto& victim = files[random() % files.size()];
        told["remove"] = *victim.partition_values.at("who");
        c.operation = delta::Operation::delete_;
        c.remove.push_back({victim.path});
        c.read_files = {victim.path};
        c.read_partitions = {{{"who", victim.partition_values.at("who")}}};
        c.blind_append = false;
        if (choice == 9) {
          c.operation = delta::Operation::update;
          told["add"] = id;
        }
      }
      if (told.contains("add")) {
        delta::AddFile f;
        f.path = "who=" + id + "/f.parquet";
        f.size = size;
        f.partition_values["who"] = id;
        f.stats = fmt::format(R"({{"numRecords":{}}})", rows);
        if (const auto at = t.objects.local_path(delta::data_url(root, f.path))) {
          const std::filesystem::path local = *at;
          std::filesystem::create_directories(local.parent_path());
          std::filesystem::create_hard_link(source, local);
        } else {
          std::ifstream in(source, std::ios::binary);
          const std::string content((std::istreambuf_iterator<char>(in)), {});
          if (auto put = t.objects.put(delta::data_url(root, f.path), content, false); !put) {
            say(object{{"error", "storage"}, {"message", put.error().message}});
            continue;
          }
        }
        c.add.push_back(std::move(f));
      }
      auto done = t.log.commit(root, (*before)->version, std::move(c));
      if (done) {
        told["version"] = *done;
        say(told);
      } else {
        say(failure(done.error()));
      }
    }
  };
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back(work, i);
  for (auto& one : all) one.join();
  t.log.drain();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  Tool tool(argv[1]);
  if (argc == 9 && std::string_view(argv[2]) == "hammer") return hammer(tool, argv + 3);
  (void)tool.objects.create_bucket("lake");
  for (std::string line; std::getline(std::cin, line);) {
    auto parsed = json::parse(line);
    std::cout << boost::json::serialize(parsed && parsed->is_object() ? answer(tool, parsed->get_object()) : object{{"error", "no JSON object"}})
              << std::endl;
  }
}
