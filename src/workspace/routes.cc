#include "workspace/routes.h"

#include "api/answers.h"
#include "api/multipart.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace tarn::workspace {
namespace {

using api::lifted;
using api::Method;
using api::Request;

struct PathBody {
  std::string path;
};
BOOST_DESCRIBE_STRUCT(PathBody, (), (path))
struct DeleteBody {
  std::string path;
  std::optional<bool> recursive;
};
BOOST_DESCRIBE_STRUCT(DeleteBody, (), (path, recursive))
struct ImportBody {
  std::string path;
  std::optional<Format> format;
  std::optional<Language> language;
  std::optional<bool> overwrite;
  std::optional<std::string> content;  // base64
};
BOOST_DESCRIBE_STRUCT(ImportBody, (), (path, format, language, overwrite, content))

json::object shown(const Status& s) {
  const Node& n = s.node;
  json::object out{{"object_type", json::name_of(n.object_type)}, {"path", s.path}, {"object_id", n.object_id}};
  out["resource_id"] = n.resource_id.empty() ? std::to_string(n.object_id) : n.resource_id;
  if (n.language) out["language"] = json::name_of(*n.language);
  if (n.created_at) out["created_at"] = n.created_at, out["modified_at"] = n.modified_at;
  if (n.object_type == ObjectType::FILE) out["size"] = n.size;
  if (!s.git_info.is_null()) out["git_info"] = s.git_info;
  return out;
}

Expected<Path, api::WireError> path_param(const Request& r) {
  const auto given = r.param("path");
  if (!given) return fail(api::bad_request("Parameter 'path' is required"));
  return lifted(parse_path(*given));
}

Expected<bool, api::WireError> flag(const std::string& name, const std::optional<std::string>& text) {
  if (!text || *text == "false" || *text == "False" || text->empty()) return false;
  if (*text == "true" || *text == "True") return true;
  return fail(api::bad_request("Parameter '" + name + "' must be true or false, got '" + text->substr(0, 40) + "'"));
}

template <class E>
Expected<std::optional<E>, api::WireError> choice(const std::string& name, const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  if (const auto e = json::enum_of<E>(*text)) return e;
  return fail(api::bad_request("Parameter '" + name + "' has no value '" + text->substr(0, 40) + "'"));
}

/// A part of a form on disk for as long as the request needs it.
struct TemporaryFile {
  std::string path;
  ~TemporaryFile() {
    if (!path.empty()) std::remove(path.c_str());
  }
};

api::Result import_form(Tree& tree, const Request& r) {
  TARN_TRY(form, api::Form::of(r));
  TARN_TRY(path, form.text("path"));
  if (!path) return fail(api::bad_request("Field 'path' is required"));
  TARN_TRY(parsed, lifted(parse_path(*path)));
  TARN_TRY(format_text, form.text("format"));
  TARN_TRY(format, choice<Format>("format", format_text));
  TARN_TRY(language_text, form.text("language"));
  TARN_TRY(language, choice<Language>("language", language_text));
  TARN_TRY(overwrite_text, form.text("overwrite"));
  TARN_TRY(overwrite, flag("overwrite", overwrite_text));
  const auto* content = form.find("content");
  if (!content) return fail(api::bad_request("Field 'content' is required"));
  Import request{.path = parsed, .format = format.value_or(Format::SOURCE), .language = language, .overwrite = overwrite};
  TemporaryFile file;
  const bool may_be_file = request.format == Format::RAW || request.format == Format::AUTO;
  if (content->length > (may_be_file ? kMostFile : kMostImport))
    return fail(wire(Error{Errc::too_large, fmt::format("File size imported is ({} bytes), exceeded max size ({} bytes)", content->length,
                                                        may_be_file ? kMostFile : kMostImport)}));
  if (content->length > kMostImport && !r.body_file.empty()) {
    file.path = r.body_file + ".part";
    if (!form.save(*content, file.path)) return fail(wire(Error{Errc::unavailable, "The disk refused the upload"}));
    request.bytes.file = file.path;
  } else {
    request.bytes.memory = form.bytes(*content);
  }
  TARN_TRY(done, lifted(tree.import(r.context, std::move(request))));
  return api::ok(json::value(json::object{{"object_id", done.node.object_id}}));
}

api::Result import_json(Tree& tree, const Request& r) {
  // Base64 adds a third; a content beyond the limit is refused by its own size below.
  TARN_TRY(text, api::whole_body(r, kMostImport / 3 * 4 + (1u << 20)));
  Request plain = r;
  plain.body = std::move(text);
  TARN_TRY(body, api::body_of<ImportBody>(plain));
  TARN_TRY(path, lifted(parse_path(body.path)));
  auto bytes = crypto::from_base64(body.content.value_or(""));
  if (!bytes) return fail(api::bad_request("Field 'content' must be base64"));
  if (bytes->size() > kMostImport)
    return fail(
        wire(Error{Errc::too_large, fmt::format("File size imported is ({} bytes), exceeded max size ({} bytes)", bytes->size(), kMostImport)}));
  TARN_TRY(done, lifted(tree.import(r.context, {.path = path,
                                                .format = body.format.value_or(Format::SOURCE),
                                                .language = body.language,
                                                .overwrite = body.overwrite.value_or(false),
                                                .bytes = {.memory = *std::move(bytes), .file = {}}})));
  return api::ok(json::value(json::object{{"object_id", done.node.object_id}}));
}

api::Reply raw(Exported e) {
  api::Reply out{.content_type = "application/octet-stream"};
  if (e.local_file && e.size > 0)
    out.file = api::FileSlice{*e.local_file, 0, e.size};
  else
    out.body = std::move(e.content);
  return out;
}

Expected<std::string, api::WireError> in_memory(const Exported& e) {
  if (e.size > kMostImport)
    return fail(
        wire(Error{Errc::too_large, fmt::format("exported file is too large ({} bytes; the most is {}): use direct_download", e.size, kMostImport)}));
  if (!e.local_file) return e.content;
  Request slice;
  slice.body_file = *e.local_file;
  return api::whole_body(slice, kMostImport);
}

api::Result import_file(Tree& tree, const Request& r) {
  TARN_TRY(path, lifted(parse_path("/" + r.capture("path"))));
  TARN_TRY(overwrite, flag("overwrite", r.param("overwrite")));
  Import request{.path = path, .format = Format::AUTO, .overwrite = overwrite};
  request.bytes.file = r.body_file;
  request.bytes.memory = r.body;
  if (!r.body_file.empty()) {
    auto small = api::whole_body(r, kMostImport);  // it may be a notebook
    if (small) request.bytes = {.memory = *std::move(small), .file = {}};
    if (!small && !api::whole_body(r, kMostFile))
      return fail(wire(Error{Errc::too_large, fmt::format("The file exceeds the maximum of {} bytes", kMostFile)}));
  }
  auto done = tree.import(r.context, std::move(request));
  if (!done && done.error().code == Errc::already_exists) return fail(api::already_exists(done.error().message));
  if (!done) return fail(wire(done.error()));
  return api::ok(json::value(json::object{{"object_id", done->node.object_id}}));
}

}  // namespace

std::vector<api::Route> routes(Tree& tree) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& pattern, api::Handler h, bool spooled = false) {
    out.push_back({.method = m, .pattern = "/api/2.0/" + pattern, .group = "workspace", .handler = std::move(h), .spooled = spooled});
  };
  row(Method::GET, "workspace/get-status", [&tree](const Request& r) -> api::Result {
    TARN_TRY(path, path_param(r));
    TARN_TRY(git, flag("return_git_info", r.param("return_git_info")));
    TARN_TRY(found, lifted(tree.get(r.context, path, git)));
    return api::ok(json::value(shown(found)));
  });
  row(Method::GET, "workspace/list", [&tree](const Request& r) -> api::Result {
    TARN_TRY(path, path_param(r));
    std::optional<Millis> after;
    if (const auto given = r.param("notebooks_modified_after")) {
      TARN_TRY(n, api::integer("notebooks_modified_after", *given));
      after = n;
    }
    TARN_TRY(found, lifted(tree.list(r.context, path, after)));
    json::array objects;
    for (const auto& s : found) objects.push_back(shown(s));
    return api::ok(json::value(objects.empty() ? json::object{} : json::object{{"objects", std::move(objects)}}));
  });
  row(Method::POST, "workspace/mkdirs", [&tree](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PathBody>(r));
    TARN_TRY(path, lifted(parse_path(body.path)));
    TARN_TRY(made, lifted(tree.mkdirs(r.context, path)));
    return api::ok(json::value(json::object{{"object_id", made.node.object_id}}));
  });
  row(Method::POST, "workspace/delete", [&tree](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DeleteBody>(r));
    TARN_TRY(path, lifted(parse_path(body.path)));
    const auto done = tree.remove(r.context, path, body.recursive.value_or(false));
    if (!done) return fail(wire(done.error()));
    return api::ok();
  });
  row(
      Method::POST, "workspace/import",
      [&tree](const Request& r) -> api::Result { return api::Form::is_form(r) ? import_form(tree, r) : import_json(tree, r); }, true);
  row(Method::GET, "workspace/export", [&tree](const Request& r) -> api::Result {
    TARN_TRY(path, path_param(r));
    TARN_TRY(format, choice<Format>("format", r.param("format")));
    TARN_TRY(direct, flag("direct_download", r.param("direct_download")));
    TARN_TRY(found, lifted(tree.export_object(r.context, path, format.value_or(Format::SOURCE))));
    if (direct) return raw(std::move(found));
    TARN_TRY(bytes, in_memory(found));
    return api::ok(json::value(json::object{{"content", crypto::base64(bytes)}, {"file_type", found.file_type}}));
  });
  row(
      Method::POST, "workspace-files/import-file/{path*}", [&tree](const Request& r) -> api::Result { return import_file(tree, r); }, true);
  row(Method::GET, "workspace-files/{path*}", [&tree](const Request& r) -> api::Result {
    TARN_TRY(path, lifted(parse_path("/" + r.capture("path"))));
    TARN_TRY(found, lifted(tree.export_object(r.context, path, Format::AUTO)));
    return raw(std::move(found));
  });
  return out;
}

}  // namespace tarn::workspace
