#include "files/volumes.h"

namespace tarn::files {
namespace {

// The vendor's texts.
Error no_file() { return {Errc::not_found, "The file being accessed is not found."}; }
Error no_directory() { return {Errc::directory_not_found, "The directory being accessed is not found."}; }
Error file_exists() { return {Errc::already_exists, "The file being created already exists."}; }
Error directory_exists() { return {Errc::directory_exists, "A directory already exists at the path of the file being created."}; }

store::AuditEvent event(const access::Context& ctx, const char* action, const VolumeFiles::Place& place) {
  return ctx.event("filesystem", action, {{"path", place.shown()}});
}

}  // namespace

Result<std::string> CatalogVolumes::location(const access::Context& ctx, const std::string& full_name, bool write) {
  const auto lifted = [](const catalog::Error& e) {
    switch (e.code) {
      case catalog::Errc::not_found:
      case catalog::Errc::no_metastore:
        return Error{Errc::directory_not_found, e.message};
      case catalog::Errc::permission_denied:
        return Error{Errc::permission_denied, e.message};
      default:
        return Error{Errc::invalid, e.message};
    }
  };
  auto found = catalog_.volume_location(ctx, full_name, write);
  if (!found) return fail(lifted(found.error()));
  return *std::move(found);
}

Result<VolumeFiles::Place> VolumeFiles::parse(std::string_view path) {
  auto out = catalog::VolumePath::parse(path);
  if (!out) return refuse(Errc::invalid, out.error().message);
  return *std::move(out);
}

Result<Folder> VolumeFiles::open(const access::Context& ctx, const Place& place, bool write) {
  TARN_TRY(base, volumes_.location(ctx, place.volume, write));
  return Folder::at(objects_, base);
}

Result<VolumeFiles::File> VolumeFiles::file(const access::Context& ctx, const Place& place) {
  const auto run = [&]() -> Result<File> {
    TARN_TRY(tree, open(ctx, place, false));
    TARN_TRY(found, tree.find(place.relative));
    if (!found || found->folder) return fail(no_file());
    return File{.entry = *found, .local = objects_.local_path(tree.url(place.relative))};
  };
  return store_.looked(event(ctx, "filesGet", place), run());
}

Result<std::string> VolumeFiles::read(const access::Context& ctx, const Place& place, std::uint64_t offset, std::uint64_t length) {
  TARN_TRY(tree, open(ctx, place, false));
  return tree.read(place.relative, offset, length);
}

Result<void> VolumeFiles::upload(const access::Context& ctx, const Place& place, const std::string& memory, const std::string& file, bool overwrite) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(tree, open(ctx, place, true));
    if (place.relative.empty()) return fail(directory_exists());
    TARN_TRY(there, tree.find(place.relative));
    if (there && there->folder) return fail(directory_exists());
    if (there && !overwrite) return fail(file_exists());
    for (auto slash = place.relative.rfind('/'); slash != std::string::npos && slash > 0; slash = place.relative.rfind('/', slash - 1)) {
      TARN_TRY(above, tree.find(place.relative.substr(0, slash)));
      if (above && !above->folder) return refuse(Errc::invalid, "A part of the path is a file: " + place.relative.substr(0, slash));
    }
    auto done = tree.put(place.relative, memory, file, overwrite);
    if (!done && done.error().code == Errc::already_exists) return fail(file_exists());
    return done;
  };
  return store_.looked(event(ctx, "filesPut", place), run());
}

Result<void> VolumeFiles::remove(const access::Context& ctx, const Place& place) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(tree, open(ctx, place, true));
    TARN_TRY(there, tree.find(place.relative));
    if (!there || there->folder) return fail(no_file());
    return tree.remove_file(place.relative);
  };
  return store_.looked(event(ctx, "filesDelete", place), run());
}

Result<void> VolumeFiles::directory(const access::Context& ctx, const Place& place) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(tree, open(ctx, place, false));
    TARN_TRY(there, tree.find(place.relative));
    if (!there || !there->folder) return fail(no_directory());
    return {};
  };
  return store_.looked(event(ctx, "directoriesHead", place), run());
}

Result<DirectoryPage> VolumeFiles::list(const access::Context& ctx, const Place& place, std::string_view after, std::size_t limit) {
  const auto run = [&]() -> Result<DirectoryPage> {
    TARN_TRY(tree, open(ctx, place, false));
    TARN_TRY(there, tree.find(place.relative));
    if (!there || !there->folder) return fail(no_directory());
    TARN_TRY(page, tree.list(place.relative, after, limit));
    DirectoryPage out{.entries = std::move(page.entries)};
    if (page.more) out.next = out.entries.back().key();
    return out;
  };
  return store_.looked(event(ctx, "directoriesList", place), run());
}

Result<void> VolumeFiles::make_directory(const access::Context& ctx, const Place& place) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(tree, open(ctx, place, true));
    auto made = tree.make(place.relative);
    if (!made && made.error().code == Errc::already_exists)
      return refuse(Errc::already_exists, "A file already exists at the path of the directory.");
    return made;
  };
  return store_.looked(event(ctx, "directoriesPut", place), run());
}

Result<void> VolumeFiles::remove_directory(const access::Context& ctx, const Place& place) {
  const auto run = [&]() -> Result<void> {
    TARN_TRY(tree, open(ctx, place, true));
    TARN_TRY(there, tree.find(place.relative));
    if (!there || !there->folder) return fail(no_directory());
    if (place.relative.empty()) return refuse(Errc::invalid, "The root of a volume cannot be deleted.");
    TARN_TRY(empty, tree.empty(place.relative));
    if (!empty) return refuse(Errc::not_empty, "The directory being accessed is not empty.");
    return tree.remove_folder(place.relative);
  };
  return store_.looked(event(ctx, "directoriesDelete", place), run());
}

}  // namespace tarn::files
