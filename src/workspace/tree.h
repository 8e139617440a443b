#pragma once
// The tree of a workspace: folders, notebooks, files and Git folders, with ids, rights and bytes (/api/2.0/workspace/…).
//
// The root (id 0), /Users, /Shared, /Repos and the home /Users/NAME of each principal exist without being made. Rights are the object's own list
// and those of its folders up to the root (access::ObjectPermissions); everybody in the workspace manages what lies in /Shared, as the vendor has it.
// An object that the caller may not read does not exist for it. Creating or deleting in a folder needs CAN_MANAGE on it, overwriting CAN_EDIT on the
// object. Thread-safe; methods block on store and storage. Every change is one transaction with its audit event; bytes are written before it.
// Source: REST API reference "Workspace", Databricks docs "Access control lists" (folders, notebooks, files).
#include <mutex>

#include "identity/directory.h"
#include "workspace/content.h"
#include "workspace/notebook.h"
#include "workspace/paths.h"

namespace tarn::workspace {

inline constexpr std::uint64_t kMostImport = 10u << 20;  // bytes of an import or export through JSON, and of any notebook
inline constexpr std::uint64_t kMostFile = 500u << 20;   // bytes of a workspace file

struct Import {
  Path path;
  Format format = Format::SOURCE;
  std::optional<Language> language;
  bool overwrite = false;
  Bytes bytes;
};

/// An object as a request sees it.
struct Status {
  Node node;
  std::string path;      // spelled as the request did, with /Workspace or without
  json::value git_info;  // of what lies in a Git folder, when asked for
};

struct Exported {
  std::string content;                    // or
  std::optional<std::string> local_file;  // a file to send from
  std::uint64_t size = 0;
  std::string file_type;  // py, sql, scala, r, ipynb, html, or the file's own extension
  std::string name;
};

/// Objects in folders, for rooms whose objects live there (Git folders, dashboards, queries).
class Folders {
 public:
  virtual ~Folders() = default;
  /// The folder's place and rights: what inherits from it lists `chain` as parents. not_found, permission_denied (level), invalid (no folder).
  struct Place {
    std::string path;
    std::vector<access::ObjectRef> chain;  // itself first, the root last
  };
  virtual Result<Place> folder(const access::Context& ctx, const std::string& path, std::string_view level) = 0;
  /// The same of a folder known by path, for an ObjectKind's `find`; nothing if it is gone.
  virtual std::optional<Place> place(std::int64_t workspace_id, const std::string& path) = 0;
};

/// Who keeps records of its own about nodes: told within the transaction that removes one.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_removed(store::WriteTxn& t, const Node& node) = 0;
  /// Whether a folder holds objects that are no nodes (queries): it is not empty then.
  virtual bool holds(store::ReadTxn&, const Node&) { return false; }
  /// git_info of get-status for the Git folder of this id.
  virtual json::value git_info(store::ReadTxn&, const Node&) { return nullptr; }
};

class Tree final : public Folders {
 public:
  /// All must outlive this. Declares the kinds directories, notebooks, files and repos.
  Tree(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, Content& content, const Clock& clock);
  void watch(Watcher& watcher) { watchers_.push_back(&watcher); }  // at start-up

  Result<Status> get(const access::Context& ctx, const Path& path, bool git_info = false);
  /// Children by name; of a notebook or file itself. `modified_after`: only notebooks changed since, in milliseconds.
  Result<std::vector<Status>> list(const access::Context& ctx, const Path& path, std::optional<Millis> modified_after = {});
  /// Makes the folder and those above it; fine if it is there. already_exists if something else is.
  Result<Status> mkdirs(const access::Context& ctx, const Path& path);
  /// The new or replaced object. too_large, invalid (content), unsupported (DBC), already_exists, not_found (the folder).
  Result<Status> import(const access::Context& ctx, Import request);
  /// `by_name`: AUTO. A file whole, from disk where that is local; a notebook converted. unsupported for folders.
  Result<Exported> export_object(const access::Context& ctx, const Path& path, Format format);
  Result<void> remove(const access::Context& ctx, const Path& path, bool recursive);

  Result<Place> folder(const access::Context& ctx, const std::string& path, std::string_view level) override;
  std::optional<Place> place(std::int64_t workspace_id, const std::string& path) override;

  // For the rooms that put objects of their own into the tree.
  std::optional<Node> find(store::ReadTxn& t, std::int64_t workspace_id, std::string_view path) const;
  std::optional<Node> find_id(store::ReadTxn& t, std::int64_t workspace_id, std::int64_t object_id) const;
  /// Whether something above the path is a Git folder.
  bool in_git_folder(store::ReadTxn& t, std::int64_t workspace_id, std::string_view path) const;
  /// The node's children, then theirs, folders before what they hold.
  std::vector<Node> below(store::ReadTxn& t, std::int64_t workspace_id, const std::string& path) const;
  /// A new node with id and times; the parent folder must be there. already_exists.
  Result<Node> add(store::WriteTxn& t, const access::Context& ctx, Node node) const;
  void update(store::WriteTxn& t, const access::Context& ctx, Node& node) const;
  /// One node, its list and what watchers keep; not what is below it, not its bytes.
  void erase(store::WriteTxn& t, const Node& node) const;
  /// Whether the caller has a level on a node.
  bool allows(const access::Context& ctx, const Node& node, std::string_view level);
  Error denied(const access::Context& ctx, const Node* node, std::string_view level) const;
  Content& content() { return content_; }
  /// A deleted workspace's nodes, within the transaction that deletes it. Their bytes stay in the root bucket, which is its owner's.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;
  /// Makes /Users, /Shared, /Repos and the homes that a path names, if they are not there yet.
  void prepare(const access::Context& ctx, std::string_view path);

 private:
  access::ObjectKind kind(std::string type, std::string what);
  std::vector<access::ObjectRef> chain_of(store::ReadTxn& t, std::int64_t workspace_id, const std::string& parent) const;
  Result<Node> readable(const access::Context& ctx, const Path& path);
  Result<Status> put(const access::Context& ctx, const Path& path, Node node, bool overwrite, const Bytes& bytes, const char* action);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  identity::Directory& directory_;
  Content& content_;
  const Clock& clock_;
  std::vector<Watcher*> watchers_;
  std::mutex mutex_;
  std::set<std::pair<std::int64_t, std::string>> prepared_;  // guarded; what is known to be there already
};

}  // namespace tarn::workspace
