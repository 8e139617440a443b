#include "app/job_sources.h"

#include <curl/curl.h>

#include "base/json_read.h"
#include "objects/object_store.h"
#include "workspace/notebook.h"

namespace tarn::app {
namespace {

constexpr std::size_t kMostWatched = 10'000;  // files of a place, the vendor's limit
constexpr std::uint64_t kMostSource = 2u << 20;

/// What Git's room says of its targets, for a webhook.
std::string for_webhooks(std::string text) {
  for (const auto& [from, to] : {std::pair("remote Git repo URL", "webhook URL"), std::pair("Git repository", "webhook"),
                                 std::pair("--allow-git", "--allow-webhook"), std::pair("repository", "webhook"), std::pair("Git", "webhook")})
    for (std::size_t at; (at = text.find(from)) != text.npos;) text.replace(at, std::strlen(from), to);
  return text;
}

}  // namespace

Expected<std::string, std::string> JobWatched::table_mark(const access::Context& ctx, const std::string& full_name) {
  const auto first = full_name.find('.'), second = full_name.find('.', first + 1);
  const auto found = catalog_.table(ctx, {full_name.substr(0, first), full_name.substr(first + 1, second - first - 1), full_name.substr(second + 1)});
  if (!found) return fail(found.error().message);
  if (auto may = catalog_.require(ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full_name); !may) return fail(may.error().message);
  if (!found->storage_location || found->data_source_format != "DELTA") return fail(full_name + " is no Delta table: a trigger cannot watch it");
  const auto root = objects::Url::parse(*found->storage_location);
  if (!root) return fail(root.error().message);
  const auto snapshot = log_.snapshot(*root);
  if (!snapshot) return fail(snapshot.error().message);
  // The table too: one that was dropped and made again begins at version 0.
  return fmt::format("{}@{}", (*snapshot)->version, found->table_id);
}

Expected<std::string, std::string> JobWatched::files_mark(const access::Context& ctx, const std::string& url, const std::string& before) {
  std::string place = url;
  if (url.starts_with("/Volumes/")) {
    std::vector<std::string> parts(1);
    for (const char c : url.substr(9)) c == '/' ? (parts.emplace_back(), 0) : (parts.back() += c, 0);
    if (parts.size() < 3) return fail("'" + url + "' names no volume");
    auto at = volumes_.location(ctx, parts[0] + "." + parts[1] + "." + parts[2], false);
    if (!at) return fail(at.error().message);
    place = *at;
    for (std::size_t i = 3; i < parts.size(); ++i)
      if (!parts[i].empty()) place += "/" + parts[i];
  } else if (auto may = catalog_.require_path(ctx, url, false); !may) {
    return fail(may.error().message);
  }
  while (place.ends_with('/')) place.pop_back();
  const auto root = objects::Url::parse(place);
  if (!root) return fail("'" + url + "' is no storage URL");
  // TIME|key|key…: the newest time, and the files that have it. A file is new if it is younger, or as young and not among them.
  Millis newest = -1;
  std::set<std::string> at_newest;
  std::string after;
  for (std::size_t seen = 0;;) {
    auto page = objects_.list(root->bucket, root->key + "/", after, 1000);
    if (!page) return fail(page.error().message);
    for (const auto& o : page->objects) {
      if (o.modified > newest) newest = o.modified, at_newest.clear();
      if (o.modified == newest) at_newest.insert(o.key);
    }
    seen += page->objects.size();
    if (seen > kMostWatched) return fail(fmt::format("'{}' has more than {} files, the most that a trigger watches", url, kMostWatched));
    if (!page->truncated || page->objects.empty()) break;
    after = page->objects.back().key;
  }
  std::string mark = fmt::format("{}", newest);
  for (const auto& key : at_newest) mark += "|" + key;
  // Files that went are no news: a mark never goes back.
  const auto known = before.empty() ? Millis(-2) : std::stoll(before.substr(0, before.find('|')));
  if (newest < known) return before;
  if (newest == known)
    for (const auto& key : at_newest)
      if (("|" + before.substr(before.find('|') == before.npos ? before.size() : before.find('|') + 1) + "|").find("|" + key + "|") ==
          std::string::npos)
        return mark;
  return newest == known ? before : mark;
}

void JobGit::start() {
  thread_ = std::jthread([this](std::stop_token stop) {
    while (!stop.stop_requested()) {
      Order order;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !orders_.empty(); })) return;
        order = std::move(orders_.front());
        orders_.pop_front();
      }
      order.done(check_out(order));
    }
  });
}

void JobGit::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
}

void JobGit::fetch(const access::Context& ctx, const Wanted& wanted, std::function<void(Expected<std::string, std::string>)> done) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back({ctx, wanted, std::move(done)});
  }
  changed_.notify_all();
}

Expected<std::string, std::string> JobGit::check_out(const Order& o) {
  const auto target = targets_.resolve(o.wanted.url);
  if (!target) return fail(target.error().message);
  const auto login = credentials_.login(o.ctx, o.wanted.provider, std::nullopt);
  if (!login) return fail(login.error().message);
  auto checkout = git_.fetch(
      *target, *login, o.wanted.branch, o.wanted.tag, [](const std::string&) { return true; }, o.wanted.commit);
  if (!checkout) return fail(checkout.error().message);
  const auto commit = checkout->commit;
  if (commit.empty()) return fail(std::string("The repository is empty"));
  const std::lock_guard lock(mutex_);
  held_[o.wanted.key] = std::make_shared<repos::Checkout>(*std::move(checkout));
  return commit;
}

Expected<jobs::WorkspaceFiles::File, std::string> JobGit::read(const std::string& key, const std::string& wanted) {
  std::shared_ptr<repos::Checkout> held;
  {
    const std::lock_guard lock(mutex_);
    const auto i = held_.find(key);
    if (i == held_.end()) return fail(std::string("The run's checkout is gone"));
    held = i->second;
  }
  std::string path = wanted;
  while (path.starts_with('/')) path.erase(0, 1);
  const repos::TreeFile* found = nullptr;
  for (const char* extension : {"", ".py", ".ipynb", ".sql"})
    for (const auto& f : held->files)
      if (!found && f.path == path + extension) found = &f;
  if (!found) return fail(fmt::format("The repository has no file '{}' at commit {}", path, held->commit.substr(0, 10)));
  if (found->size > kMostSource) return fail(fmt::format("'{}' has more than {} bytes: too large for a task", path, kMostSource));
  jobs::WorkspaceFiles::File out{.content = held->bytes(*found)};
  if (workspace::is_notebook(found->path, out.content)) {
    out.notebook = true;
    out.language = "PYTHON";
    if (found->path.ends_with(".ipynb")) {
      auto notebook = workspace::from_jupyter(out.content, std::nullopt);
      if (!notebook) return fail(found->path + ": " + notebook.error().message);
      out.language = json::name_of(notebook->language);
      out.content = workspace::to_source(*notebook);
    } else if (const auto language = workspace::language_of_name(found->path)) {
      out.language = json::name_of(*language);
    }
  }
  return out;
}

void JobGit::drop(const std::string& key) {
  const std::lock_guard lock(mutex_);
  held_.erase(key);
}

std::optional<std::string> JobWebhooks::check(const std::string& url) {
  const auto target = targets_.resolve(url);
  // A name that does not resolve now may do so later; an address inside is refused for good.
  if (target || target.error().code == repos::Errc::unavailable) return std::nullopt;
  return for_webhooks(target.error().message);
}

jobs::WebhookSender::Answer JobWebhooks::post(const std::string& url, const std::string& user, const std::string& password, const std::string& body) {
  const auto target = targets_.resolve(url);
  if (!target) return {.refused = target.error().code != repos::Errc::unavailable, .error = for_webhooks(target.error().message)};
  const std::unique_ptr<CURL, void (*)(CURL*)> c(::curl_easy_init(), ::curl_easy_cleanup);
  if (!c) return {.error = "no connection can be made"};
  // The address that was checked is the one that is spoken to, whatever the name says by now.
  const std::string pinned = fmt::format("{}:{}:{}", target->host, target->port, target->address);
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> resolve(::curl_slist_append(nullptr, pinned.c_str()), ::curl_slist_free_all);
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(::curl_slist_append(nullptr, "Content-Type: application/json"),
                                                                   ::curl_slist_free_all);
  ::curl_easy_setopt(c.get(), CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(c.get(), CURLOPT_RESOLVE, resolve.get());
  ::curl_easy_setopt(c.get(), CURLOPT_PROXY, "");
  ::curl_easy_setopt(c.get(), CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(c.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  ::curl_easy_setopt(c.get(), CURLOPT_POSTFIELDS, body.data());
  ::curl_easy_setopt(c.get(), CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c.get(), CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(c.get(), CURLOPT_TIMEOUT, 15L);
  ::curl_easy_setopt(
      c.get(), CURLOPT_WRITEFUNCTION, +[](char*, std::size_t size, std::size_t n, void*) { return size * n; });
  if (!user.empty()) {
    ::curl_easy_setopt(c.get(), CURLOPT_USERNAME, user.c_str());
    ::curl_easy_setopt(c.get(), CURLOPT_PASSWORD, password.c_str());
  }
  if (const auto rc = ::curl_easy_perform(c.get()); rc != CURLE_OK) return {.error = ::curl_easy_strerror(rc)};
  long status = 0;
  ::curl_easy_getinfo(c.get(), CURLINFO_RESPONSE_CODE, &status);
  return {.status = static_cast<int>(status)};
}

}  // namespace tarn::app
