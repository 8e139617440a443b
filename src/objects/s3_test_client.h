#pragma once
// s3_test_server from a test: started on an empty folder, told what to vend, ended with the object.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "base/json.h"
#include "objects/remote_s3.h"

extern char** environ;

namespace tarn::objects {

/// s3_test_server (see its head for the commands). Ends when its standard input closes.
class S3TestServer {
 public:
  S3TestServer() {
    std::string t = (std::filesystem::temp_directory_path() / "remote-XXXXXX").string();
    folder = ::mkdtemp(t.data());
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&files, out[1], 1);
    std::string binary = S3_TEST_SERVER;
    char* argv[] = {binary.data(), folder.data(), nullptr};
    if (::posix_spawn(&pid_, binary.c_str(), &files, nullptr, argv, environ) != 0) throw std::runtime_error("spawn " + binary);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    endpoint = text(answer(), "endpoint");
  }
  ~S3TestServer() {
    ::fclose(to_);
    ::fclose(from_);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder);
  }
  json::value ask(const json::value& command) {
    const std::string line = boost::json::serialize(command) + "\n";
    ::fputs(line.c_str(), to_);
    ::fflush(to_);
    return answer();
  }
  RemoteS3::Options options(std::string prefix, std::string access = "read_write") {
    const auto c = ask({{"vend", {{"prefixes", json::array{prefix}}, {"access", access}, {"lifetime_ms", 3'600'000}}}});
    return {endpoint, "us-east-1", text(c, "access_key_id"), text(c, "secret_access_key"), text(c, "session_token")};
  }
  static std::string text(const json::value& v, const char* name) { return std::string(v.at(name).as_string()); }
  std::string folder, endpoint;

 private:
  json::value answer() {
    std::string line;
    for (int c = 0; (c = ::fgetc(from_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return boost::json::parse(line);
  }
  pid_t pid_ = 0;
  FILE *to_ = nullptr, *from_ = nullptr;
};

}  // namespace tarn::objects
