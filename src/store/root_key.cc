#include "store/root_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "store/store.h"

namespace tarn::store {
namespace {

std::string path_of(const std::string& data_dir, const std::string& key_file) { return key_file.empty() ? data_dir + "/root.key" : key_file; }

std::vector<std::string> read_keys(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw StoreUnavailable("cannot read the root key '" + path + "': " + std::strerror(errno));
  if (info.st_mode & 077) throw StoreUnavailable("the root key '" + path + "' can be read by others: chmod 600 it");
  std::ifstream in(path);
  std::vector<std::string> keys;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (line.empty()) continue;
    const auto key = crypto::from_hex(line);
    if (!key || key->size() != 32) throw StoreUnavailable("the root key '" + path + "' must hold 32 bytes in hexadecimal (64 digits) a line");
    keys.push_back(*key);
  }
  if (keys.empty()) throw StoreUnavailable("the root key '" + path + "' is empty");
  return keys;
}

void write_keys(const std::string& path, const std::vector<std::string>& keys) {
  const std::string next = path + ".new";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) throw StoreUnavailable("cannot write the root key '" + path + "': " + std::strerror(errno));
  std::string text;
  for (const auto& k : keys) text += crypto::to_hex(k) + "\n";
  const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!ok || ::rename(next.c_str(), path.c_str()) != 0) throw StoreUnavailable("cannot write the root key '" + path + "': " + std::strerror(errno));
  const int folder = ::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

crypto::Keyring ring(std::vector<std::string> keys) {
  std::string current = std::move(keys.front());
  keys.erase(keys.begin());
  return crypto::Keyring(std::move(current), std::move(keys));
}

}  // namespace

crypto::Keyring load_root_key(const std::string& data_dir, const std::string& key_file) {
  const std::string path = path_of(data_dir, key_file);
  if (key_file.empty() && !std::filesystem::exists(path)) {
    write_keys(path, {crypto::random_bytes(32)});
    spdlog::warn("made the root key {}: keep a copy elsewhere, or give --key-file, so that a copy of this folder alone opens no secret", path);
  }
  return ring(read_keys(path));
}

crypto::Keyring add_root_key(const std::string& data_dir, const std::string& key_file) {
  const std::string path = path_of(data_dir, key_file);
  auto keys = read_keys(path);
  keys.insert(keys.begin(), crypto::random_bytes(32));
  write_keys(path, keys);
  return ring(std::move(keys));
}

void forget_old_keys(const std::string& data_dir, const std::string& key_file) {
  const std::string path = path_of(data_dir, key_file);
  write_keys(path, {read_keys(path).front()});
}

}  // namespace tarn::store
