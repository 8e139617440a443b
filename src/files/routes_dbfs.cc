#include "api/multipart.h"
#include "base/crypto.h"
#include "files/routes.h"

namespace tarn::files {
namespace {

using api::Method;
using api::Request;

struct PathBody {
  std::string path;
};
BOOST_DESCRIBE_STRUCT(PathBody, (), (path))
struct MoveBody {
  std::string source_path, destination_path;
};
BOOST_DESCRIBE_STRUCT(MoveBody, (), (source_path, destination_path))
struct DeleteBody {
  std::string path;
  std::optional<bool> recursive;
};
BOOST_DESCRIBE_STRUCT(DeleteBody, (), (path, recursive))
struct CreateBody {
  std::string path;
  std::optional<bool> overwrite;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (path, overwrite))
struct PutBody {
  std::string path;
  std::optional<std::string> contents;
  std::optional<bool> overwrite;
};
BOOST_DESCRIBE_STRUCT(PutBody, (), (path, contents, overwrite))
struct BlockBody {
  std::int64_t handle = 0;
  std::string data;
};
BOOST_DESCRIBE_STRUCT(BlockBody, (), (handle, data))
struct HandleBody {
  std::int64_t handle = 0;
};
BOOST_DESCRIBE_STRUCT(HandleBody, (), (handle))
struct FileList {
  std::vector<FileInfo> files;
};
BOOST_DESCRIBE_STRUCT(FileList, (), (files))
struct ReadReply {
  std::int64_t bytes_read = 0;
  std::string data;
};
BOOST_DESCRIBE_STRUCT(ReadReply, (), (bytes_read, data))

template <class T>
Expected<T, api::WireError> lifted(Result<T> r) {
  if (!r) return fail(wire_dbfs(r.error()));
  return *std::move(r);
}
api::Result answer(const Result<void>& r) {
  if (!r) return fail(wire_dbfs(r.error()));
  return api::ok();
}

Expected<std::string, api::WireError> path_of(const Request& r) {
  const auto given = r.param("path");
  if (!given || given->empty()) return fail(api::bad_request("Parameter 'path' is required"));
  return *given;
}

Expected<std::string, api::WireError> bytes_of(const std::string& field, const std::string& text) {
  auto bytes = crypto::from_base64(text);
  if (!bytes) return fail(api::bad_request("Field '" + field + "' must be base64"));
  return *std::move(bytes);
}

struct TemporaryFile {
  std::string path;
  ~TemporaryFile() {
    if (!path.empty()) std::remove(path.c_str());
  }
};

api::Result put_form(Dbfs& d, const Request& r) {
  TARN_TRY(form, api::Form::of(r));
  TARN_TRY(path, form.text("path"));
  if (!path) return fail(api::bad_request("Field 'path' is required"));
  TARN_TRY(overwrite, form.text("overwrite"));
  const auto* contents = form.find("contents");
  if (!contents) return fail(api::bad_request("Field 'contents' is required"));
  const bool over = overwrite == "true" || overwrite == "True";
  if (contents->length <= Dbfs::kBlock || r.body_file.empty()) return answer(d.put(r.context, *path, form.bytes(*contents), "", over));
  const TemporaryFile file{r.body_file + ".part"};
  if (!form.save(*contents, file.path)) return fail(wire_dbfs({Errc::unavailable, "The disk refused the upload"}));
  return answer(d.put(r.context, *path, "", file.path, over));
}

}  // namespace

api::WireError wire_dbfs(const Error& e) {
  auto out = api::wire<Errc>(e);
  if (e.code == Errc::too_large) out.error_code = e.message.starts_with("The read") ? "MAX_READ_SIZE_EXCEEDED" : "MAX_BLOCK_SIZE_EXCEEDED";
  return out;
}

std::vector<api::Route> dbfs_routes(Dbfs& d) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& name, api::Handler h, bool spooled = false) {
    out.push_back({.method = m, .pattern = "/api/2.0/dbfs/" + name, .group = "dbfs", .handler = std::move(h), .spooled = spooled});
  };
  row(Method::GET, "get-status", [&d](const Request& r) -> api::Result {
    TARN_TRY(path, path_of(r));
    TARN_TRY(found, lifted(d.status(r.context, path)));
    return api::ok(found);
  });
  row(Method::GET, "list", [&d](const Request& r) -> api::Result {
    TARN_TRY(path, path_of(r));
    TARN_TRY(found, lifted(d.list(r.context, path)));
    return api::ok(FileList{std::move(found)});
  });
  row(Method::GET, "read", [&d](const Request& r) -> api::Result {
    TARN_TRY(path, path_of(r));
    std::int64_t offset = 0, length = 500'000;
    if (const auto given = r.param("offset")) {
      TARN_TRY(n, api::integer("offset", *given));
      offset = n;
    }
    if (const auto given = r.param("length")) {
      TARN_TRY(n, api::integer("length", *given));
      length = n;
    }
    TARN_TRY(bytes, lifted(d.read(r.context, path, offset, length)));
    return api::ok(ReadReply{static_cast<std::int64_t>(bytes.size()), crypto::base64(bytes)});
  });
  row(Method::POST, "mkdirs", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PathBody>(r));
    return answer(d.mkdirs(r.context, body.path));
  });
  row(Method::POST, "move", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<MoveBody>(r));
    return answer(d.move(r.context, body.source_path, body.destination_path));
  });
  row(Method::POST, "delete", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DeleteBody>(r));
    return answer(d.remove(r.context, body.path, body.recursive.value_or(false)));
  });
  row(
      Method::POST, "put",
      [&d](const Request& r) -> api::Result {
        if (api::Form::is_form(r)) return put_form(d, r);
        Request plain = r;
        TARN_TRY(text, api::whole_body(r, 4u << 20));
        plain.body = std::move(text);
        TARN_TRY(body, api::body_of<PutBody>(plain));
        TARN_TRY(bytes, bytes_of("contents", body.contents.value_or("")));
        return answer(d.put(r.context, body.path, bytes, "", body.overwrite.value_or(false)));
      },
      true);
  row(Method::POST, "create", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CreateBody>(r));
    TARN_TRY(handle, lifted(d.create(r.context, body.path, body.overwrite.value_or(false))));
    return api::ok(HandleBody{handle});
  });
  row(Method::POST, "add-block", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<BlockBody>(r));
    TARN_TRY(bytes, bytes_of("data", body.data));
    return answer(d.add_block(r.context, body.handle, bytes));
  });
  row(Method::POST, "close", [&d](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<HandleBody>(r));
    return answer(d.close(r.context, body.handle));
  });
  return out;
}

}  // namespace tarn::files
