#include "delta/log_files.h"

#include <charconv>

#include "delta/paths.h"

namespace tarn::delta {
namespace {

constexpr std::size_t kPage = 100'000;  // a folder is read once, whatever its length; a remote store answers with its own page size

std::optional<std::int64_t> number(std::string_view digits, std::size_t width) {
  std::int64_t n = 0;
  if (digits.size() != width) return std::nullopt;
  for (char c : digits)
    if (c < '0' || c > '9') return std::nullopt;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (ec != std::errc()) return std::nullopt;
  return n;
}

struct Parts {
  std::map<std::int64_t, std::string> found;
};

}  // namespace

std::string commit_name(std::int64_t version) { return fmt::format("{:020d}.json", version); }
std::string checkpoint_name(std::int64_t version) { return fmt::format("{:020d}.checkpoint.parquet", version); }
objects::Url log_url(const objects::Url& root, std::string_view name) { return under(root, "_delta_log/" + std::string(name)); }

Error storage_error(const objects::Error& error) { return {Errc::storage, error.message}; }

Result<LogListing> list_log(objects::ObjectStore& objects, const objects::Url& root, std::int64_t from) {
  const std::string prefix = log_url(root, "").key;
  LogListing out;
  std::map<std::pair<std::int64_t, std::int64_t>, Parts> multi;  // (version, parts) -> what is there
  std::string after = from > 0 ? prefix + fmt::format("{:020d}", from) : std::string();
  while (true) {
    auto page = objects.list(root.bucket, prefix, after, kPage, "/");
    if (!page) {
      if (page.error().code == objects::Errc::no_such_bucket) return out;
      return fail(storage_error(page.error()));
    }
    for (auto& item : page->objects) {
      std::string_view name = std::string_view(item.key).substr(prefix.size());
      const auto version = number(name.substr(0, std::min<std::size_t>(20, name.size())), 20);
      if (!version || *version < from) continue;
      const auto rest = name.substr(20);
      if (rest == ".json") {
        out.commits.push_back(*version);
        out.commit_info.emplace(*version, item);
      } else if (rest == ".checkpoint.parquet") {
        out.checkpoints.push_back({*version, Checkpoint::Kind::classic, {std::string(name)}});
      } else if (rest.starts_with(".checkpoint.")) {
        const auto tail = rest.substr(12);
        if (tail.size() == 10 + 1 + 10 + 8 && tail.ends_with(".parquet") && tail[10] == '.') {
          const auto part = number(tail.substr(0, 10), 10), parts = number(tail.substr(11, 10), 10);
          if (part && parts && *part >= 1 && *part <= *parts && *parts <= 100'000) multi[{*version, *parts}].found[*part] = std::string(name);
        } else if (tail.size() == 36 + 5 && tail.ends_with(".json")) {
          out.checkpoints.push_back({*version, Checkpoint::Kind::v2_json, {std::string(name)}});
        } else if (tail.size() == 36 + 8 && tail.ends_with(".parquet")) {
          out.checkpoints.push_back({*version, Checkpoint::Kind::v2_parquet, {std::string(name)}});
        }
      }
    }
    if (!page->truncated) break;
    if (page->next.empty() || page->next <= after)
      return fail(Error{Errc::storage, "The object store's listing of " + root.text() + " does not advance"});
    after = page->next;
  }
  for (auto& [key, parts] : multi) {
    if (static_cast<std::int64_t>(parts.found.size()) != key.second) continue;  // "readers must ignore multi-part checkpoints with missing parts"
    Checkpoint c{key.first, Checkpoint::Kind::multi_part, {}};
    for (auto& [n, name] : parts.found) c.names.push_back(std::move(name));
    out.checkpoints.push_back(std::move(c));
  }
  std::sort(out.commits.begin(), out.commits.end());
  std::stable_sort(out.checkpoints.begin(), out.checkpoints.end(), [](const Checkpoint& a, const Checkpoint& b) { return a.version < b.version; });
  return out;
}

std::optional<std::int64_t> last_checkpoint_hint(objects::ObjectStore& objects, const objects::Url& root) {
  const auto text = objects.get(log_url(root, "_last_checkpoint"));
  if (!text) return std::nullopt;
  const auto parsed = json::parse(*text);
  const auto* o = parsed ? parsed->if_object() : nullptr;
  const auto* v = o ? o->if_contains("version") : nullptr;
  if (!v || !v->is_int64() || v->get_int64() < 0) return std::nullopt;
  return v->get_int64();
}

}  // namespace tarn::delta
