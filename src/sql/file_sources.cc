#include "sql/file_sources.h"

#include <filesystem>

#include "base/text.h"
#include "catalog/volume_path.h"
#include "sql/globs.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostFiles = 10'000;

/// Something between a bucket's folder and a file is a link, and leads who knows where.
bool through_link(const std::filesystem::path& bucket, std::filesystem::path file) {
  std::error_code ec;
  for (; file != bucket && file.has_relative_path(); file = file.parent_path())
    if (std::filesystem::is_symlink(file, ec)) return true;
  return false;
}

/// A name that begins so is no data, here or in any folder below `from`.
bool hidden(std::string_view key, std::size_t from) {
  for (std::size_t i = from; i < key.size(); i = std::min(key.find('/', i), key.size()) + 1)
    if (key[i] == '_' || key[i] == '.') return true;
  return key.ends_with('/');
}

/// A path as Spark's _metadata spells it: what a URI's path cannot hold by its number.
std::string encoded(std::string_view path) {
  constexpr std::string_view plain = "-_.!~*'(),;:$&+=@/";
  std::string out;
  for (const unsigned char c : path)
    if (std::isalnum(c) || c >= 0x80 || plain.find(static_cast<char>(c)) != plain.npos)
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  return out;
}

auto no_path(const std::string& path) { return refuse(Errc::not_found, "[PATH_NOT_FOUND] Path does not exist: " + path + ". SQLSTATE: 42K03"); }

/// Whether a path is a volume's, as SQL writes it; then without the scheme.
std::optional<std::string> in_volume(const std::string& path) {
  std::string_view rest = path;
  if (rest.starts_with("dbfs:")) rest.remove_prefix(5);
  while (rest.starts_with("//")) rest.remove_prefix(1);
  if (rest.starts_with("/Volumes/")) return std::string(rest);
  return std::nullopt;
}

}  // namespace

Result<FileSources::Place> FileSources::place(const Session& session, const std::string& path, const std::string& wanted) {
  if (const auto text = in_volume(wanted)) {
    const auto at = catalog::VolumePath::parse(*text);
    if (!at) return refuse(Errc::invalid, "[PATH_INVALID] " + at.error().message);
    auto location = catalog_.volume_location(session.ctx, at->volume, false);
    if (!location && location.error().code == catalog::Errc::not_found)
      return refuse(Errc::not_found, "[UC_VOLUME_NOT_FOUND] Volume " + backticked(at->names) +
                                         " does not exist. Please use 'SHOW VOLUMES' to list available volumes. SQLSTATE: 42704");
    if (!location) return fail(Resolver::catalog_error(location.error()));
    auto url = objects::Url::parse(*location);
    if (!url) return refuse(Errc::unavailable, "The volume " + at->volume + " lies at no storage path: " + url.error().message);
    while (url->key.ends_with('/')) url->key.pop_back();
    Place out{.url = *std::move(url), .shown = "dbfs:" + at->root};
    out.root = out.url.key.size();
    if (!at->relative.empty()) out.url.key.append(out.url.key.empty() ? "" : "/").append(at->relative);
    return out;
  }
  if (path.starts_with("dbfs:"))
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] '" + path +
                      "' is not supported by this warehouse: it reads files of volumes, /Volumes/catalog/schema/volume/…, and of external "
                      "locations, s3://…. SQLSTATE: 0A000");
  auto url = objects::Url::parse(wanted);
  if (!url) return refuse(Errc::invalid, "[PATH_INVALID] '" + path + "' is no storage path: " + url.error().message);
  if (auto ok = catalog_.require_path(session.ctx, wanted, false); !ok) return fail(Resolver::catalog_error(ok.error()));
  Place out{.url = *std::move(url), .shown = {}};
  out.shown = "s3://" + out.url.bucket;
  return out;
}

Result<SourceFile> FileSources::file(const Place& place, const objects::ObjectInfo& o) {
  const objects::Url at{place.url.bucket, o.key};
  auto local = objects_.local_path(at);
  const auto bucket = objects_.local_path({place.url.bucket, ""});
  if (!local || !bucket) return refuse(Errc::unavailable, "'" + place.name(o.key) + "' is not reached by this server's engine");
  if (!objects_.is_remote(place.url.bucket) && through_link(*bucket, *local)) return no_path(place.name(o.key));
  return SourceFile{.url = at.text(), .local = *std::move(local), .etag = o.etag, .shown = place.name(o.key), .size = o.size, .modified = o.modified};
}

Result<std::vector<SourceFile>> FileSources::list(const Session& session, const std::string& path, bool pattern) {
  // What follows the bucket or the volume is the pattern; no right is asked for less than the folder that holds all it may match.
  std::optional<Glob> glob;
  std::string folder = path;
  if (pattern && Glob::is_pattern(path)) {
    TARN_TRY(parsed, Glob::parse(path));
    folder = parsed.folder();
    if (folder.ends_with("/") || folder.empty() || folder.ends_with(':'))
      return refuse(Errc::invalid, "[PATH_INVALID] '" + path + "': a pattern can only follow a bucket or a volume");
    glob = std::move(parsed);
  }
  TARN_TRY(at, place(session, path, folder));
  std::vector<SourceFile> out;
  if (!glob && !at.url.key.empty() && at.url.key.back() != '/' && at.url.key.size() != at.root) {
    if (auto one = objects_.head(at.url)) {
      TARN_TRY(only, file(at, *one));
      return std::vector{std::move(only)};
    }
  }
  std::string prefix = at.url.key, after;
  if (!prefix.empty() && prefix.back() != '/') prefix += '/';
  for (;;) {
    auto page = objects_.list(at.url.bucket, prefix, after, 1000);
    if (!page) return no_path(path);
    for (const auto& o : page->objects) {
      if (hidden(o.key, prefix.size()) || (glob && !glob->covers(folder + "/" + o.key.substr(prefix.size())))) continue;
      TARN_TRY(one, file(at, o));
      out.push_back(std::move(one));
    }
    if (out.size() > kMostFiles) return refuse(Errc::too_large, fmt::format("'{}' holds more than {} files: name a narrower path", path, kMostFiles));
    if (!page->truncated) break;
    after = page->next;
  }
  if (out.empty()) return no_path(path);
  return out;
}

Result<std::vector<ListedEntry>> FileSources::entries(const Session& session, const std::string& path, std::size_t limit) {
  TARN_TRY(at, place(session, path, path));
  std::vector<ListedEntry> out;
  std::string prefix = at.url.key, after;
  if (!prefix.empty() && prefix.back() != '/') prefix += '/';
  while (out.size() < limit) {
    auto page = objects_.list(at.url.bucket, prefix, after, std::min<std::size_t>(1000, limit + 1), "/");
    if (!page) return no_path(path);
    for (const auto& o : page->objects)
      if (o.key.size() > prefix.size()) out.push_back({at.name(o.key), o.key.substr(prefix.size()), o.size, o.modified});
    for (const auto& folder : page->common_prefixes) {
      const auto key = folder.substr(0, folder.size() - 1);
      out.push_back({at.name(key), key.substr(prefix.size()), 0, 0});
    }
    if (!page->truncated) break;
    after = page->next;
  }
  if (out.empty() && at.url.key.size() > at.root && !at.url.key.ends_with('/')) {
    if (auto one = objects_.head(at.url)) {
      TARN_TRY(itself, file(at, *one));
      out.push_back({itself.shown, one->key.substr(one->key.rfind('/') + 1), one->size, one->modified});
    }
  }
  if (out.empty() && at.url.key.size() > at.root && !objects_.head({at.url.bucket, prefix})) return no_path(path);
  std::ranges::sort(out, {}, &ListedEntry::name);
  if (out.size() > limit) out.resize(limit);
  return out;
}

Result<FileRelation> FileSources::open(const Session& session, const std::string& path, const std::map<std::string, std::string>& options,
                                       bool direct, bool metadata) {
  TARN_TRY(files, list(session, path, true));
  std::vector<std::string> names;
  for (const auto& f : files) names.push_back(f.shown);
  TARN_TRY(format, file_format(options, direct ? FileReader::direct : FileReader::function, names));
  if (!format.glob.empty()) {
    TARN_TRY(glob, Glob::parse("/" + format.glob));
    std::erase_if(files, [&](const SourceFile& f) { return !glob.covers(f.shown.substr(f.shown.rfind('/'))); });
    if (files.empty()) return no_path(path + "/" + format.glob);
  }
  return relation(session, files, format, metadata);
}

Result<FileRelation> FileSources::relation(const Session& session, const std::vector<SourceFile>& files, const FileFormat& format, bool metadata) {
  std::string names = "[";
  std::set<std::string> folders;
  for (const auto& f : files) {
    names += (names.size() > 1 ? ", " : "") + delta::sql_string(delta::no_pattern(f.local));
    folders.insert(std::filesystem::path(f.local).parent_path().string());
  }
  names += "]";
  FileRelation out;
  std::vector<objects::ObjectStore::Wanted> copies;
  for (const auto& f : files)
    if (auto url = objects::Url::parse(f.url)) copies.push_back({*std::move(url), f.size, f.etag});
  auto held = objects_.hold(copies);
  if (!held) return refuse(Errc::unavailable, "A file cannot be read: " + held.error().message);
  out.held = *std::move(held);
  out.directories.assign(folders.begin(), folders.end());
  const auto describe = [&](const std::string& sql) { return engine_.describe({.directories = out.directories}, sql, session.cancel); };
  TARN_TRY(shape, shape_of(format, names, parser_, describe));
  out.columns = std::move(shape.columns);
  if (std::ranges::any_of(out.columns, [](const RelationColumn& c) { return lower(c.name) == "_metadata"; })) metadata = false;
  const auto where = shape.where.empty() ? std::string() : " WHERE " + shape.where;
  if (!metadata && !shape.knows_files) {
    out.sql = "(SELECT " + shape.list + " FROM " + shape.from + " AS f_" + where + ")";
    return out;
  }
  // Each row with its file's name, joined with what is known of the files.
  std::string known;
  for (const auto& f : files)
    known += fmt::format("{}({}, {}, {}, {}, make_timestamptz({}), {})", known.empty() ? "" : ", ", delta::sql_string(f.local),
                         delta::sql_string(encoded(f.shown)), delta::sql_string(encoded(f.shown.substr(f.shown.rfind('/') + 1))), f.size,
                         f.modified * 1000, delta::sql_string(f.shown));
  std::string list = std::move(shape.list);
  if (metadata) {
    out.columns.push_back({.name = "_metadata",
                           .type = "struct<file_path:string,file_name:string,file_size:bigint,file_block_start:bigint,file_block_length:bigint,"
                                   "file_modification_time:timestamp>",
                           .hidden = true});
    list +=
        ", struct_pack(file_path := m_.p, file_name := m_.n, file_size := CAST(m_.s AS BIGINT), file_block_start := CAST(0 AS BIGINT), "
        "file_block_length := CAST(m_.s AS BIGINT), file_modification_time := m_.t) AS _metadata";
  }
  out.sql = fmt::format("(SELECT {} FROM {} AS f_ JOIN (VALUES {}) AS m_(l, p, n, s, t, w) ON f_.{} = m_.l{})", list, shape.from, known,
                        delta::sql_identifier(shape.file), where);
  return out;
}

}  // namespace tarn::sql
