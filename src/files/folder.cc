#include "files/folder.h"

#include "objects/keys.h"

namespace tarn::files {
namespace {

Error storage(const objects::Error& e) {
  if (e.code == objects::Errc::invalid_name) return {Errc::invalid, "Invalid path: " + e.message};
  return {Errc::unavailable, "The storage behind this path cannot be used now: " + e.message};
}

}  // namespace

Result<std::string> clean(std::string_view path) {
  auto out = objects::clean_path(path);
  if (!out) return refuse(Errc::invalid, "Invalid path: " + out.error().message);
  return *std::move(out);
}

Result<Folder> Folder::at(objects::ObjectStore& objects, std::string_view base) {
  auto url = objects::Url::parse(base);
  if (!url) return fail(storage(url.error()));
  while (url->key.ends_with('/')) url->key.pop_back();
  return Folder(objects, *std::move(url));
}

objects::Url Folder::url(std::string_view path) const {
  std::string key = base_.key;
  if (!path.empty()) key.append(key.empty() ? "" : "/").append(path);
  return {base_.bucket, std::move(key)};
}

Result<std::optional<Entry>> Folder::find(std::string_view path) const {
  const std::string name(path.substr(path.rfind('/') + 1));
  if (path.empty()) return std::optional(Entry{.name = "", .folder = true});
  auto file = objects_->head(url(path));
  if (file) return std::optional(Entry{.name = name, .size = file->size, .modified = file->modified});
  if (file.error().code != objects::Errc::no_such_key && file.error().code != objects::Errc::no_such_bucket) return fail(storage(file.error()));
  auto below = objects_->list(base_.bucket, url(path).key + "/", "", 1);
  if (!below) return fail(storage(below.error()));
  if (below->objects.empty()) return std::nullopt;
  return std::optional(Entry{.name = name, .folder = true, .modified = below->objects.front().modified});
}

Result<Folder::Page> Folder::list(std::string_view path, std::string_view after, std::size_t limit) const {
  Page out;
  const std::string prefix = url(path).key.empty() ? "" : url(path).key + "/";
  // After a folder comes what is behind everything below it.
  std::string from = after.empty() ? "" : prefix + std::string(after) + (after.ends_with('/') ? "\xf4\x8f\xbf\xbf" : "");
  while (true) {
    // One more than asked tells whether there is a next page.
    auto found = objects_->list(base_.bucket, prefix, from, std::min<std::size_t>(1000, limit + 1 - out.entries.size()), "/");
    if (!found && found.error().code == objects::Errc::no_such_bucket) return out;
    if (!found) return fail(storage(found.error()));
    std::vector<Entry> page;
    for (const auto& o : found->objects)
      if (o.key.size() > prefix.size()) page.push_back({.name = o.key.substr(prefix.size()), .size = o.size, .modified = o.modified});
    for (const auto& p : found->common_prefixes) page.push_back({.name = p.substr(prefix.size(), p.size() - prefix.size() - 1), .folder = true});
    std::ranges::sort(page, {}, [](const Entry& e) { return e.name + (e.folder ? "/" : ""); });
    for (auto& e : page) {
      if (out.entries.size() == limit) {
        out.more = true;
        return out;
      }
      out.entries.push_back(std::move(e));
    }
    if (!found->truncated) return out;
    from = found->next;
  }
}

Result<bool> Folder::empty(std::string_view path) const {
  const std::string prefix = url(path).key.empty() ? "" : url(path).key + "/";
  auto found = objects_->list(base_.bucket, prefix, "", 2);
  if (!found) return fail(storage(found.error()));
  return std::ranges::none_of(found->objects, [&](const auto& o) { return o.key != prefix; });
}

Result<void> Folder::make(std::string_view path) const {
  std::string at;
  for (std::string_view rest = path; !rest.empty();) {
    const auto slash = rest.find('/');
    at.append(at.empty() ? "" : "/").append(rest.substr(0, slash));
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
    auto there = find(at);
    if (!there) return fail(there.error());
    if (*there && !(*there)->folder) return refuse(Errc::already_exists, "A file already exists at /" + at);
    if (*there) continue;
    auto url_of = url(at);
    url_of.key += '/';
    if (auto done = objects_->put(url_of, ""); !done) return fail(storage(done.error()));
  }
  return {};
}

Result<void> Folder::put(std::string_view path, const std::string& memory, const std::string& file, bool overwrite) const {
  const auto done = file.empty() ? objects_->put(url(path), memory, !overwrite) : objects_->put_file(url(path), file, !overwrite);
  if (!done && done.error().code == objects::Errc::already_exists)
    return refuse(Errc::already_exists, "A file already exists at /" + std::string(path));
  if (!done) return fail(storage(done.error()));
  return {};
}

Result<void> Folder::remove_file(std::string_view path) const {
  if (const auto done = objects_->remove(url(path)); !done) return fail(storage(done.error()));
  return {};
}

Result<void> Folder::remove_folder(std::string_view path) const {
  auto all = url(path);
  all.key += '/';
  if (const auto done = objects_->remove_all(all); !done) return fail(storage(done.error()));
  return {};
}

Result<std::string> Folder::read(std::string_view path, std::uint64_t offset, std::uint64_t length) const {
  auto found = objects_->get(url(path), offset, length);
  if (!found && found.error().code == objects::Errc::no_such_key)
    return refuse(Errc::not_found, "No file or directory exists on path /" + std::string(path));
  if (!found) return fail(storage(found.error()));
  return *std::move(found);
}

}  // namespace tarn::files
