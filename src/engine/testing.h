#pragma once
// For the room's tests: a pool over the real engine program, with a folder of its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "base/resources.h"
#include "engine/engine.h"

namespace tarn::engine {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("tarn-engine-test-" + new_hex(8))) { std::filesystem::create_directories(path_); }
  Folder(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string text() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Process ids of this program's children, the engines.
inline std::vector<int> children() {
  std::vector<int> out;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(thread.path() / "children");
    for (int pid; in >> pid;) out.push_back(pid);
  }
  return out;
}
inline int only_child() {
  const auto all = children();
  return all.size() == 1 ? all[0] : -static_cast<int>(all.size());
}

struct Fixture {
  static Options options(const Folder& folder) {
    Options o;
    const char* other = std::getenv("TARN_ENGINE_PROGRAM");  // a sanitised test over a plain engine
    o.binary = other ? other : TARN_ENGINE_PROGRAM;
    o.memory_bytes = 512u << 20;
    o.spill_directory = folder / "spill";
    o.spares = 0;
    return o;
  }

  Fixture() : Fixture([](Options&) {}) {}
  explicit Fixture(const std::function<void(Options&)>& change) {
    auto o = options(folder);
    change(o);
    std::filesystem::create_directories(folder / "data");
    pool = std::make_unique<Pool>(o);
  }

  Scope scope() const { return {{folder / "data"}, {folder / "data"}}; }

  /// All rows as one JSON text, or the error's message.
  std::string rows(const std::string& sql) {
    Request request;
    request.sql = sql;
    return rows(request);
  }
  std::string rows(const Request& request, CancelToken* cancel = nullptr) {
    std::string out = "[]";
    Sink sink;
    sink.schema = [&](const std::vector<Column>& c) { columns = c; };
    sink.chunk = [&](std::string chunk, std::int64_t) {
      if (out == "[]")
        out = std::move(chunk);
      else
        out.back() = ',', out.append(chunk, 1);
      return true;
    };
    last = pool->run(scope(), request, sink, cancel);
    return last ? out : last.error().message;
  }
  std::string value(const std::string& expression) {
    auto text = rows("SELECT " + expression);
    return text.starts_with("[[") ? text.substr(2, text.size() - 4) : text;
  }

  void write_file(const std::string& name, const std::string& content) const {
    std::ofstream out(folder / name, std::ios::binary);
    out << content;
  }
  /// What a Python script (with pyarrow and deltalake) prints, given the test's folder as its argument; its error output otherwise.
  std::string python(const std::string& script) const {
    write_file("script.py", script);
    const auto command = (resources::cache() / "test-venv/bin/python").string() + " " + (folder / "script.py") + " " + folder.text() + " 2>&1";
    std::string out;
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    char block[4096];
    while (const auto n = pipe ? std::fread(block, 1, sizeof block, pipe.get()) : 0) out.append(block, n);
    return out;
  }

  Folder folder;
  std::unique_ptr<Pool> pool;
  std::vector<Column> columns;
  Result<Summary> last;
};

}  // namespace tarn::engine
