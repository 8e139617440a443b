#include "files/dbfs.h"

#include <fstream>

#include "base/ids.h"
#include "base/log.h"

namespace tarn::files {
namespace {

struct HandleRecord {
  std::int64_t workspace_id = 0, handle = 0;
  std::string path, opened_by;
  bool overwrite = false;
  std::int64_t blocks = 0;
  Millis touched = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), std::to_string(handle)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(HandleRecord, (), (workspace_id, handle, path, opened_by, overwrite, blocks, touched))
constexpr store::Collection<HandleRecord> kHandles{"files.dbfs_handle"};

std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
std::string key_of(const access::Context& ctx, std::int64_t handle) { return store::key({store::sortable(here(ctx)), std::to_string(handle)}); }
std::string block_name(std::int64_t handle, std::int64_t number) { return fmt::format("{}/{:08}", handle, number); }

Error nothing_at(const std::string& path) { return {Errc::not_found, "No file or directory exists on path " + path + "."}; }
Error taken(const std::string& path) { return {Errc::already_exists, "A file or directory already exists at the input path dbfs:" + path + "."}; }
Error no_handle(std::int64_t handle) { return {Errc::not_found, fmt::format("The handle {} does not exist.", handle)}; }
Error block_too_large(std::uint64_t size) {
  return {Errc::too_large, fmt::format("The block has {} bytes, more than the maximum of {} bytes.", size, Dbfs::kBlock)};
}

FileInfo info_of(const Entry& e, const std::string& path) {
  return {.path = path, .is_dir = e.folder, .file_size = e.size, .modification_time = e.modified};
}

struct TemporaryFile {
  std::string path;
  ~TemporaryFile() { std::remove(path.c_str()); }
};

}  // namespace

std::string Dbfs::place(const access::Context& ctx, const char* area) const {
  const auto bucket = roots_(here(ctx));
  return bucket ? fmt::format("s3://{}/{}/{}", *bucket, here(ctx), area) : "";
}

Result<Dbfs::Target> Dbfs::target(const access::Context& ctx, const std::string& path) {
  std::string_view text = path;
  if (text.starts_with("dbfs:")) text.remove_prefix(5);
  if (!text.starts_with('/')) return refuse(Errc::invalid, "Path must be absolute: " + path.substr(0, 200));
  if (text == "/Volumes" || text.starts_with("/Volumes/"))
    return refuse(Errc::invalid,
                  "Volumes are not reached through the DBFS API: use the Files API, /api/2.0/fs/files" + std::string(text.substr(0, 200)));
  TARN_TRY(relative, clean(text));
  if (shut_ && shut_(here(ctx))) return refuse(Errc::permission_denied, "Public DBFS root is disabled. Access is denied on path: /" + relative);
  const auto base = place(ctx, "dbfs");
  if (base.empty()) return refuse(Errc::unavailable, "The workspace has no root storage");
  TARN_TRY(tree, Folder::at(objects_, base));
  return Target{.tree = std::move(tree), .relative = relative, .shown = "/" + relative};
}

Result<void> Dbfs::check_free(const Target& t, bool overwrite) {
  if (t.relative.empty()) return fail(taken("/"));
  TARN_TRY(there, t.tree.find(t.relative));
  if (there && (there->folder || !overwrite)) return fail(taken(t.shown));
  for (auto slash = t.relative.rfind('/'); slash != t.relative.npos; slash = t.relative.rfind('/', slash - 1)) {
    TARN_TRY(above, t.tree.find(t.relative.substr(0, slash)));
    if (above && !above->folder) return fail(taken("/" + t.relative.substr(0, slash)));
    if (slash == 0) break;
  }
  return {};
}

Result<FileInfo> Dbfs::status(const access::Context& ctx, const std::string& path) {
  TARN_TRY(t, target(ctx, path));
  TARN_TRY(there, t.tree.find(t.relative));
  if (!there) return fail(nothing_at(t.shown));
  return info_of(*there, t.shown);
}

Result<std::vector<FileInfo>> Dbfs::list(const access::Context& ctx, const std::string& path) {
  TARN_TRY(t, target(ctx, path));
  TARN_TRY(there, t.tree.find(t.relative));
  if (!there) return fail(nothing_at(t.shown));
  if (!there->folder) return std::vector{info_of(*there, t.shown)};
  TARN_TRY(page, t.tree.list(t.relative, "", Folder::kAll));
  std::vector<FileInfo> out;
  for (const auto& e : page.entries) out.push_back(info_of(e, (t.relative.empty() ? "" : t.shown) + "/" + e.name));
  return out;
}

Result<void> Dbfs::mkdirs(const access::Context& ctx, const std::string& path) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(t, target(ctx, path));
    const auto made = t.tree.make(t.relative);
    if (!made && made.error().code == Errc::already_exists) return fail(taken(t.shown));
    return made;
  };
  return store_.looked(ctx.event("dbfs", "mkdirs", {{"path", path.substr(0, 300)}}), run());
}

Result<void> Dbfs::move(const access::Context& ctx, const std::string& from, const std::string& to) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(a, target(ctx, from));
    TARN_TRY(b, target(ctx, to));
    TARN_TRY(there, a.tree.find(a.relative));
    if (!there || a.relative.empty()) return fail(nothing_at(a.shown));
    auto goal = b.relative;
    TARN_TRY(at_goal, b.tree.find(goal));
    if (at_goal && !at_goal->folder) return fail(taken(b.shown));
    if (at_goal) goal += (goal.empty() ? "" : "/") + there->name;  // into a folder
    if (goal == a.relative || goal.starts_with(a.relative + "/")) return refuse(Errc::invalid, "A path cannot be moved into itself: " + b.shown);
    TARN_CHECK(check_free({b.tree, goal, "/" + goal}, false));
    // The object store has no rename: each file is copied, then everything is removed. A failure between leaves both.
    const auto copy = [&](const std::string& source, const std::string& sink, std::uint64_t size) -> Result<void> {
      const TemporaryFile file{spool_ + "/move-" + new_hex(8)};
      std::ofstream out(file.path, std::ios::binary);
      for (std::uint64_t at = 0; at < size;) {
        TARN_TRY(block, a.tree.read(source, at, 8u << 20));
        if (block.empty()) break;
        out.write(block.data(), static_cast<std::streamsize>(block.size()));
        at += block.size();
      }
      if (!out.flush()) return refuse(Errc::unavailable, "The disk refused a copy");
      return b.tree.put(sink, "", file.path, false);
    };
    if (!there->folder) {
      TARN_CHECK(copy(a.relative, goal, there->size));
      return a.tree.remove_file(a.relative);
    }
    std::vector<std::string> folders{""};
    for (std::size_t i = 0; i < folders.size(); ++i) {
      const auto below = [&](const std::string& base) { return folders[i].empty() ? base : base + "/" + folders[i]; };
      TARN_CHECK(b.tree.make(below(goal)));
      TARN_TRY(page, a.tree.list(below(a.relative), "", Folder::kAll));
      for (const auto& e : page.entries) {
        const auto name = folders[i].empty() ? e.name : folders[i] + "/" + e.name;
        if (e.folder)
          folders.push_back(name);
        else
          TARN_CHECK(copy(a.relative + "/" + name, goal + "/" + name, e.size));
      }
    }
    return a.tree.remove_folder(a.relative);
  };
  return store_.looked(ctx.event("dbfs", "move", {{"src", from.substr(0, 300)}, {"dst", to.substr(0, 300)}}), run());
}

Result<void> Dbfs::remove(const access::Context& ctx, const std::string& path, bool recursive) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(t, target(ctx, path));
    if (t.relative.empty()) return refuse(Errc::invalid, "The root of DBFS cannot be deleted");
    TARN_TRY(there, t.tree.find(t.relative));
    if (!there) return {};
    if (!there->folder) return t.tree.remove_file(t.relative);
    TARN_TRY(empty, t.tree.empty(t.relative));
    if (!empty && !recursive) return refuse(Errc::not_empty, "Directory is not empty. Use recursive delete or remove contents first.");
    return t.tree.remove_folder(t.relative);
  };
  return store_.looked(ctx.event("dbfs", "delete", {{"path", path.substr(0, 300)}, {"recursive", recursive ? "true" : "false"}}), run());
}

Result<std::string> Dbfs::read(const access::Context& ctx, const std::string& path, std::int64_t offset, std::int64_t length) {
  const auto run = [&]() -> Result<std::string> {
    if (offset < 0) return refuse(Errc::invalid, "Parameter 'offset' must not be negative");
    if (length < 0) return refuse(Errc::invalid, "Parameter 'length' must not be negative");
    if (static_cast<std::uint64_t>(length) > kBlock)
      return fail(Error{Errc::too_large, fmt::format("The read length of {} bytes exceeds the maximum of {} bytes.", length, kBlock)});
    TARN_TRY(t, target(ctx, path));
    TARN_TRY(there, t.tree.find(t.relative));
    if (!there) return fail(nothing_at(t.shown));
    if (there->folder) return refuse(Errc::invalid, "Cannot read: path " + t.shown + " is a directory.");
    if (static_cast<std::uint64_t>(offset) >= there->size) return std::string();
    return t.tree.read(t.relative, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length));
  };
  return store_.looked(ctx.event("dbfs", "read", {{"path", path.substr(0, 300)}}), run());
}

Result<void> Dbfs::put(const access::Context& ctx, const std::string& path, const std::string& bytes, const std::string& file, bool overwrite) {
  const auto run = [&]() -> Result<void> {
    if (file.empty() && bytes.size() > kBlock) return fail(block_too_large(bytes.size()));
    TARN_TRY(t, target(ctx, path));
    TARN_CHECK(check_free(t, overwrite));
    return t.tree.put(t.relative, bytes, file, overwrite);
  };
  return store_.looked(ctx.event("dbfs", "put", {{"path", path.substr(0, 300)}, {"overwrite", overwrite ? "true" : "false"}}), run());
}

void Dbfs::drop_blocks(const access::Context& ctx, std::int64_t handle) {
  const auto uploads = Folder::at(objects_, place(ctx, "dbfs-uploads"));
  if (!uploads || !uploads->remove_folder(std::to_string(handle)))
    spdlog::warn("blocks of a closed handle stay workspace={} handle={}", here(ctx), handle);
}

void Dbfs::drop_stale(const access::Context& ctx) {
  const auto all = store_.read_as([&](store::ReadTxn& t) { return kHandles.scan(t, store::prefix({store::sortable(here(ctx))}), "", 1000); });
  for (const auto& h : all) {
    if (clock_.now() - h.touched <= kIdle) continue;
    store_.write(access::system_context(ctx.request_id).event("dbfs", "expireHandle", {{"handle", std::to_string(h.handle)}}),
                 [&](store::WriteTxn& t) { return kHandles.erase(t, h.store_key()); });
    drop_blocks(ctx, h.handle);
  }
}

Result<std::int64_t> Dbfs::create(const access::Context& ctx, const std::string& path, bool overwrite) {
  auto event = ctx.event("dbfs", "create", {{"path", path.substr(0, 300)}, {"overwrite", overwrite ? "true" : "false"}});
  drop_stale(ctx);
  auto t = target(ctx, path);
  auto free = t ? check_free(*t, overwrite) : Result<void>(fail(t.error()));
  if (!free) return store_.looked(std::move(event), Result<std::int64_t>(fail(free.error())));
  return store_.write_as(std::move(event), [&](store::WriteTxn& txn) -> Result<std::int64_t> {
    HandleRecord h{.workspace_id = here(ctx), .handle = new_numeric_id(), .path = t->shown, .opened_by = ctx.caller.name, .overwrite = overwrite};
    h.touched = clock_.now();
    if (!kHandles.insert(txn, h)) throw std::logic_error("a fresh handle is taken");
    return h.handle;
  });
}

Result<void> Dbfs::add_block(const access::Context& ctx, std::int64_t handle, std::string_view bytes) {
  if (bytes.size() > kBlock) return fail(block_too_large(bytes.size()));
  // The number is taken first and the block written after: two writers of one handle never share a block.
  auto number = store_.write_as(ctx.event("dbfs", "addBlock", {{"handle", std::to_string(handle)}}), [&](store::WriteTxn& t) -> Result<std::int64_t> {
    auto found = kHandles.get(t, key_of(ctx, handle));
    if (!found || found->value.opened_by != ctx.caller.name || clock_.now() - found->value.touched > kIdle) {
      t.audit().status = 404;
      return fail(no_handle(handle));
    }
    found->value.touched = clock_.now();
    const auto n = found->value.blocks++;
    if (!kHandles.update(t, found->value)) throw std::logic_error("a handle vanished inside its transaction");
    return n;
  });
  if (!number) return fail(number.error());
  TARN_TRY(uploads, Folder::at(objects_, place(ctx, "dbfs-uploads")));
  return uploads.put(block_name(handle, *number), std::string(bytes), "", true);
}

Result<void> Dbfs::close(const access::Context& ctx, std::int64_t handle) {
  auto event = ctx.event("dbfs", "close", {{"handle", std::to_string(handle)}});
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kHandles.get(t, key_of(ctx, handle)); });
  if (!found || found->value.opened_by != ctx.caller.name || clock_.now() - found->value.touched > kIdle)
    return store_.looked(std::move(event), Result<void>(fail(no_handle(handle))));
  const auto run = [&]() -> Result<void> {
    TARN_TRY(uploads, Folder::at(objects_, place(ctx, "dbfs-uploads")));
    TARN_TRY(t, target(ctx, found->value.path));
    TARN_CHECK(check_free(t, found->value.overwrite));
    const TemporaryFile file{spool_ + "/dbfs-" + new_hex(8)};
    std::ofstream out(file.path, std::ios::binary);
    for (std::int64_t n = 0; n < found->value.blocks; ++n) {
      TARN_TRY(block, uploads.read(block_name(handle, n), 0, kBlock));
      out.write(block.data(), static_cast<std::streamsize>(block.size()));
    }
    if (!out.flush()) return refuse(Errc::unavailable, "The disk refused the upload");
    return t.tree.put(t.relative, "", file.path, found->value.overwrite);
  };
  const auto done = run();
  if (!done && done.error().code == Errc::unavailable) return store_.looked(std::move(event), Result<void>(done));  // it may be tried again
  store_.write(std::move(event), [&](store::WriteTxn& t) {
    if (!done) t.audit().outcome = store::Outcome::failed, t.audit().status = 400, t.audit().error = done.error().message;
    return kHandles.erase(t, key_of(ctx, handle));
  });
  drop_blocks(ctx, handle);
  return done;
}

void Dbfs::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  for (const auto& h : kHandles.scan(t, store::prefix({store::sortable(workspace)}))) kHandles.erase(t, h.store_key());
}

}  // namespace tarn::files
