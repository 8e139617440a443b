#pragma once
// What a workspace's tree is made of, and what its services refuse.
// Source: REST API reference "Workspace", databricks-sdk-go service/workspace.
#include <functional>

#include "access/object_permissions.h"
#include "base/clock.h"
#include "base/refusal.h"
#include "base/result.h"
#include "store/store.h"

namespace tarn::workspace {

enum class Errc {
  invalid,
  not_found,
  already_exists,
  permission_denied,
  not_empty,
  is_protected,
  too_large,
  unsupported,  // a format or kind that is refused by name
  conflict,     // the object changed while the request ran
  unavailable   // the storage behind it
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::unsupported:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_empty:
      return Refusal{400, "DIRECTORY_NOT_EMPTY"};
    case Errc::is_protected:
      return Refusal{400, "DIRECTORY_PROTECTED"};
    case Errc::too_large:
      return Refusal{400, "MAX_NOTEBOOK_SIZE_EXCEEDED"};
    case Errc::conflict:
      return refusals::conflict;
    case Errc::unavailable:
      return refusals::unavailable;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

enum class ObjectType { DIRECTORY, NOTEBOOK, FILE, LIBRARY, REPO, DASHBOARD };
BOOST_DESCRIBE_ENUM(ObjectType, DIRECTORY, NOTEBOOK, FILE, LIBRARY, REPO, DASHBOARD)

enum class Language { PYTHON, SQL, SCALA, R };
BOOST_DESCRIBE_ENUM(Language, PYTHON, SQL, SCALA, R)

/// How an import's or export's bytes are to be read.
enum class Format { SOURCE, HTML, JUPYTER, DBC, R_MARKDOWN, AUTO, RAW };
BOOST_DESCRIBE_ENUM(Format, SOURCE, HTML, JUPYTER, DBC, R_MARKDOWN, AUTO, RAW)

/// One object of the tree. The root is none of them: it exists always, under id 0.
struct Node {
  std::int64_t workspace_id = 0, object_id = 0;
  std::string parent, name;  // the path is parent + "/" + name; the root's children have parent "/"
  ObjectType object_type = ObjectType::DIRECTORY;
  std::optional<Language> language;  // of a notebook
  Format stored_as = Format::RAW;    // what the blob holds: SOURCE or JUPYTER of a notebook, RAW of a file
  std::string blob;                  // key of the bytes (content.h); empty for what has none
  std::int64_t size = 0;
  std::string resource_id;   // of an object that another API owns (a dashboard)
  std::string git_object;    // in a Git folder: the blob's id as checked out; empty for what was made here
  bool git_changed = false;  // it was edited since
  Millis created_at = 0, modified_at = 0;
  std::string created_by, modified_by;

  std::string path() const { return parent == "/" ? "/" + name : parent + "/" + name; }
  bool is_folder() const { return object_type == ObjectType::DIRECTORY || object_type == ObjectType::REPO; }
  std::string store_key() const { return store::key({store::sortable(workspace_id), parent, name}); }
  std::vector<store::IndexEntry> store_indexes() const {
    return {{"object_id", store::key({store::sortable(workspace_id), std::to_string(object_id)}), true}};
  }
};
BOOST_DESCRIBE_STRUCT(Node, (),
                      (workspace_id, object_id, parent, name, object_type, language, stored_as, blob, size, resource_id, git_object, git_changed,
                       created_at, modified_at, created_by, modified_by))
inline constexpr store::Collection<Node> kNodes{"workspace.node"};

/// The bucket under a workspace's root storage, by workspace id; nothing if there is no such workspace.
using RootBuckets = std::function<std::optional<std::string>(std::int64_t)>;

// Levels of the kinds `directories`, `notebooks`, `files` and `repos`.
inline constexpr std::string_view kCanRead = "CAN_READ", kCanRun = "CAN_RUN", kCanEdit = "CAN_EDIT", kCanManage = "CAN_MANAGE";

/// The object as the Permissions API names it.
access::ObjectRef ref_of(const Node& node);
inline access::ObjectRef root_ref() { return {"directories", "0"}; }

}  // namespace tarn::workspace
