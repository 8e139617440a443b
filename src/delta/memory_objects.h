#pragma once
// An object store in memory for this room's tests: every call counted, every call able to fail on order.
#include <map>
#include <mutex>

#include "objects/object_store.h"

namespace tarn::delta::testing {

class MemoryObjects final : public objects::ObjectStore {
 public:
  template <class T>
  using R = objects::Result<T>;

  R<void> create_bucket(std::string_view) override { return {}; }
  bool bucket_exists(std::string_view) override { return true; }
  R<std::string> get(const objects::Url& url, std::uint64_t offset, std::optional<std::uint64_t> length) override {
    std::lock_guard lock(mutex_);
    ++gets;
    const auto at = objects_.find(url.text());
    if (at == objects_.end()) return absent(url);
    return at->second.content.substr(offset, length.value_or(std::string::npos));
  }
  R<objects::ObjectInfo> head(const objects::Url& url) override {
    std::lock_guard lock(mutex_);
    ++heads;
    const auto at = objects_.find(url.text());
    if (at == objects_.end()) return absent(url);
    return info(url.key, at->second);
  }
  R<objects::ObjectInfo> put(const objects::Url& url, std::string_view content, bool if_absent) override {
    std::function<void()> before;
    {
      std::lock_guard lock(mutex_);
      before = std::exchange(before_put, nullptr);
    }
    if (before) before();
    std::lock_guard lock(mutex_);
    ++puts;
    if (fail_puts > 0) return --fail_puts, fail(objects::Error{objects::Errc::unavailable, "The connection was lost before the request was sent"});
    if (if_absent && objects_.contains(url.text())) return fail(objects::Error{objects::Errc::already_exists, url.text() + " exists"});
    auto& o = objects_[url.text()];
    o = {std::string(content), ++tick_};
    if (lose_answers > 0) return --lose_answers, fail(objects::Error{objects::Errc::unavailable, "The connection was lost before the answer came"});
    return info(url.key, o);
  }
  R<void> remove(const objects::Url& url) override {
    std::lock_guard lock(mutex_);
    objects_.erase(url.text());
    return {};
  }
  R<objects::Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                           std::string_view delimiter) override {
    std::lock_guard lock(mutex_);
    ++lists;
    const std::string head = objects::Url{std::string(bucket), ""}.text();
    objects::Listing out;
    for (auto at = objects_.lower_bound(head + std::string(prefix)); at != objects_.end() && at->first.starts_with(head + std::string(prefix));
         ++at) {
      const std::string key = at->first.substr(head.size());
      if (key <= after) continue;
      if (!delimiter.empty() && key.find(delimiter, prefix.size()) != std::string::npos) continue;
      if (out.objects.size() == limit) {
        out.truncated = true;
        out.next = out.objects.back().key;
        break;
      }
      out.objects.push_back(info(key, at->second));
    }
    return out;
  }
  R<void> remove_all(const objects::Url& prefix) override {
    std::lock_guard lock(mutex_);
    std::erase_if(objects_, [&](const auto& kv) { return kv.first.starts_with(prefix.text()); });
    return {};
  }
  std::optional<std::string> local_path(const objects::Url&) override { return std::nullopt; }

  void write(const objects::Url& url, std::string content) { (void)put(url, content, false); }
  std::string read(const objects::Url& url) { return get(url, 0, {}).value_or(""); }

  int gets = 0, heads = 0, lists = 0, puts = 0;
  int fail_puts = 0;                 // the next puts do nothing and fail
  int lose_answers = 0;              // the next puts work and fail all the same
  std::function<void()> before_put;  // runs once, before the next put

 private:
  struct Object {
    std::string content;
    std::int64_t tick = 0;
  };
  static objects::ObjectInfo info(const std::string& key, const Object& o) {
    return {key, o.content.size(), "\"" + std::to_string(o.tick) + "\"", 1'763'849'000'000 + o.tick};
  }
  static tl::unexpected<objects::Error> absent(const objects::Url& url) {
    return fail(objects::Error{objects::Errc::no_such_key, url.text() + " does not exist"});
  }

  std::mutex mutex_;
  std::map<std::string, Object> objects_;
  std::int64_t tick_ = 0;
};

}  // namespace tarn::delta::testing
