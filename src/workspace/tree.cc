#include "workspace/tree.h"

#include "base/ids.h"

namespace tarn::workspace {
namespace {

constexpr const char* kService = "workspace";

std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
bool is_top(std::string_view path) { return path == "/Users" || path == "/Shared" || path == "/Repos"; }
/// Folders that nobody may delete: the fixed ones and the homes.
bool is_protected(std::string_view path) { return path == "/" || is_top(path) || parent_of(path) == "/Users"; }

Error missing(const Path& path) { return {Errc::not_found, "Path (" + path.asked.substr(0, 300) + ") doesn't exist."}; }
Error no_parent(const Path& path) { return {Errc::not_found, "The parent folder (" + path.shown(parent_of(path.text)) + ") does not exist."}; }
Error taken(const Path& path) { return {Errc::already_exists, "Path (" + path.asked + ") already exists."}; }

/// Below /Repos lie folders that hold Git folders and nothing else; anything deeper lies in a Git folder. `repo`: whether /Repos/a/b is one.
Result<void> check_repos(std::string_view path, bool repo) {
  if (!path.starts_with("/Repos/") || parent_of(path) == "/Repos" || repo) return {};
  return refuse(Errc::is_protected, "Top-level folder can only contain repos");
}

std::string_view word(std::string_view level) {
  return level == kCanManage ? "Manage" : level == kCanEdit ? "Edit" : level == kCanRun ? "Run" : "View";
}

const char* type_name(ObjectType type) {
  switch (type) {
    case ObjectType::DIRECTORY:
      return "directory";
    case ObjectType::NOTEBOOK:
      return "notebook";
    case ObjectType::REPO:
      return "repo";
    case ObjectType::DASHBOARD:
      return "dashboard";
    case ObjectType::FILE:
    case ObjectType::LIBRARY:
      return "file";
  }
  return "object";
}

}  // namespace

access::ObjectRef ref_of(const Node& node) {
  switch (node.object_type) {
    case ObjectType::DIRECTORY:
      return {"directories", std::to_string(node.object_id)};
    case ObjectType::NOTEBOOK:
      return {"notebooks", std::to_string(node.object_id)};
    case ObjectType::REPO:
      return {"repos", std::to_string(node.object_id)};
    case ObjectType::DASHBOARD:
      return {"dashboards", node.resource_id};
    case ObjectType::FILE:
    case ObjectType::LIBRARY:
      return {"files", std::to_string(node.object_id)};
  }
  throw std::logic_error("an object type without a kind");
}

Tree::Tree(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, Content& content, const Clock& clock)
    : store_(store), permissions_(permissions), directory_(directory), content_(content), clock_(clock) {
  permissions_.add_kind(kind("directories", "directory"));
  permissions_.add_kind(kind("notebooks", "notebook"));
  permissions_.add_kind(kind("files", "file"));
  permissions_.add_kind(kind("repos", "repo"));
}

access::ObjectKind Tree::kind(std::string type, std::string what) {
  access::ObjectKind k;
  const std::string folder = what == "directory" || what == "repo" ? " items in the " : " the ";
  k.levels = {{"CAN_READ", "Can view" + folder + what},
              {"CAN_RUN", "Can view and run" + folder + what},
              {"CAN_EDIT", "Can view, run, and edit" + folder + what},
              {"CAN_MANAGE", "Can view, run, edit, and change permissions of" + folder + what}};
  k.creator_level = "CAN_MANAGE";
  k.find = [this, type, what](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    return store_.read_as([&](store::ReadTxn& t) -> std::optional<access::FoundObject> {
      const auto found = kNodes.find(t, "object_id", store::key({store::sortable(workspace), id}));
      if (!found || ref_of(found->value).type != type) return std::nullopt;
      access::FoundObject out;
      out.parents = chain_of(t, workspace, found->value.parent);
      out.shown = what + " " + id;
      return out;
    });
  };
  k.object_type = what;
  if (type == "directories") k.roots = {"0"};
  k.type = std::move(type);
  return k;
}

std::vector<access::ObjectRef> Tree::chain_of(store::ReadTxn& t, std::int64_t workspace, const std::string& parent) const {
  std::vector<access::ObjectRef> out;
  for (std::string at = parent; at != "/"; at = parent_of(at)) {
    const auto node = find(t, workspace, at);
    if (!node) throw std::logic_error("a node without its folder");
    out.push_back(ref_of(*node));
  }
  out.push_back(root_ref());
  return out;
}

std::optional<Node> Tree::find(store::ReadTxn& t, std::int64_t workspace, std::string_view path) const {
  if (path == "/") return Node{.workspace_id = workspace, .parent = "", .name = ""};
  auto found = kNodes.get(t, store::key({store::sortable(workspace), parent_of(path), name_of(path)}));
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

std::optional<Node> Tree::find_id(store::ReadTxn& t, std::int64_t workspace, std::int64_t id) const {
  auto found = kNodes.find(t, "object_id", store::key({store::sortable(workspace), std::to_string(id)}));
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

bool Tree::in_git_folder(store::ReadTxn& t, std::int64_t workspace, std::string_view path) const {
  for (const auto& at : ancestors(path))
    if (const auto node = find(t, workspace, at); node && node->object_type == ObjectType::REPO) return true;
  return false;
}

std::vector<Node> Tree::below(store::ReadTxn& t, std::int64_t workspace, const std::string& path) const {
  std::vector<Node> out = kNodes.scan(t, store::prefix({store::sortable(workspace), path}));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!out[i].is_folder()) continue;
    for (auto& child : kNodes.scan(t, store::prefix({store::sortable(workspace), out[i].path()}))) out.push_back(std::move(child));
  }
  return out;
}

Result<Node> Tree::add(store::WriteTxn& t, const access::Context& ctx, Node node) const {
  node.workspace_id = here(ctx);
  node.object_id = new_numeric_id();
  node.created_at = node.modified_at = clock_.now();
  node.created_by = node.modified_by = ctx.caller.name;
  if (!kNodes.insert(t, node)) return refuse(Errc::already_exists, "Path (" + node.path() + ") already exists.");
  return node;
}

void Tree::update(store::WriteTxn& t, const access::Context& ctx, Node& node) const {
  node.modified_at = clock_.now();
  node.modified_by = ctx.caller.name;
  if (!kNodes.update(t, node)) throw std::logic_error("a node vanished inside its transaction");
}

void Tree::erase(store::WriteTxn& t, const Node& node) const {
  for (auto* w : watchers_) w->on_removed(t, node);
  permissions_.on_deleted(t, node.workspace_id, ref_of(node));
  kNodes.erase(t, node.store_key());
}

void Tree::prepare(const access::Context& ctx, std::string_view path) {
  // What should be there: the fixed folders, the caller's home, and the home that the path goes through.
  std::vector<std::string> homes{""};
  if (ctx.caller.id != 0) homes.push_back(ctx.caller.name);
  if (path.starts_with("/Users/")) homes.push_back(std::string(path.substr(7, path.find('/', 7) - 7)));
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(homes, [&](const std::string& name) { return prepared_.contains({here(ctx), name}); });
  }
  for (const auto& name : homes) {
    std::optional<access::Caller> owner;
    if (!name.empty()) {
      const auto principal = directory_.find_principal(name);
      if (principal && principal->kind != identity::Kind::group && principal->active && principal->name == name)
        owner = directory_.caller(principal->id, here(ctx));
      if (!owner) continue;
    }
    const auto there = store_.read_as([&](store::ReadTxn& t) { return find(t, here(ctx), name.empty() ? "/Users" : "/Users/" + name).has_value(); });
    if (!there)
      store_.write(access::system_context(ctx.request_id).event(kService, "createHome", {{"workspaceId", std::to_string(here(ctx))}, {"name", name}}),
                   [&](store::WriteTxn& t) {
                     auto system = access::system_context(ctx.request_id);
                     system.workspace_id = here(ctx);
                     for (const char* top : {"Users", "Shared", "Repos"})
                       if (!find(t, here(ctx), std::string("/") + top)) (void)add(t, system, {.parent = "/", .name = top});
                     if (!name.empty() && !find(t, here(ctx), "/Users/" + name)) {
                       const auto home = add(t, system, {.parent = "/Users", .name = name});
                       permissions_.on_created(t, here(ctx), ref_of(*home), *owner);
                     }
                     return true;
                   });
    const std::lock_guard lock(mutex_);
    prepared_.insert({here(ctx), name});
  }
}

void Tree::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  for (const auto& n : kNodes.scan(t, store::prefix({store::sortable(workspace)}))) {
    permissions_.on_deleted(t, workspace, ref_of(n));
    kNodes.erase(t, n.store_key());
  }
}

bool Tree::allows(const access::Context& ctx, const Node& node, std::string_view level) {
  if (ctx.caller.workspace_admin) return true;
  const auto path = node.path();
  if (within(path, "/Shared")) return true;  // of everybody in the workspace
  if (level == kCanRead && (node.name.empty() || is_top(path))) return true;
  if (node.name.empty()) return permissions_.allows(ctx, root_ref(), level);
  return permissions_.allows(ctx, ref_of(node), level);
}

Error Tree::denied(const access::Context& ctx, const Node* node, std::string_view level) const {
  return {Errc::permission_denied,
          fmt::format("{} does not have {} permissions on {} {}. Please contact the owner or an administrator for access.", ctx.caller.name,
                      word(level), node ? type_name(node->object_type) : "directory", node ? node->object_id : 0)};
}

Result<Node> Tree::readable(const access::Context& ctx, const Path& path) {
  prepare(ctx, path.text);
  auto node = store_.read_as([&](store::ReadTxn& t) { return find(t, here(ctx), path.text); });
  if (!node || !allows(ctx, *node, kCanRead)) return fail(missing(path));
  return *std::move(node);
}

Result<Status> Tree::get(const access::Context& ctx, const Path& path, bool git_info) {
  TARN_TRY(node, readable(ctx, path));
  Status out{.node = node, .path = path.shown(path.text)};
  if (git_info)
    store_.read([&](store::ReadTxn& t) {
      for (std::string at = path.text; at != "/" && out.git_info.is_null(); at = parent_of(at)) {
        const auto above = find(t, here(ctx), at);
        if (!above || above->object_type != ObjectType::REPO) continue;
        for (auto* w : watchers_)
          if (auto info = w->git_info(t, *above); !info.is_null()) out.git_info = std::move(info);
      }
    });
  return out;
}

Result<std::vector<Status>> Tree::list(const access::Context& ctx, const Path& path, std::optional<Millis> modified_after) {
  TARN_TRY(node, readable(ctx, path));
  std::vector<Status> out;
  const auto wanted = [&](const Node& n) { return !modified_after || n.object_type != ObjectType::NOTEBOOK || n.modified_at > *modified_after; };
  if (!node.is_folder()) {
    if (wanted(node)) out.push_back({.node = node, .path = path.shown(path.text)});
    return out;
  }
  auto children = store_.read_as([&](store::ReadTxn& t) { return kNodes.scan(t, store::prefix({store::sortable(here(ctx)), path.text})); });
  // Lists only add rights: who reads the folder reads what is in it, unless the folder is one that everybody may list.
  const bool all = !(path.is_root() || is_top(path.text)) || ctx.caller.workspace_admin;
  for (auto& c : children) {
    if (!wanted(c) || (!all && !allows(ctx, c, kCanRead))) continue;
    const auto at = c.path();
    out.push_back({.node = std::move(c), .path = path.shown(at)});
  }
  return out;
}

Result<Status> Tree::mkdirs(const access::Context& ctx, const Path& path) {
  auto event = ctx.event(kService, "mkdirs", {{"path", path.text}});
  prepare(ctx, path.text);
  // The nearest folder that is there decides.
  struct Found {
    Node nearest;
    std::vector<std::string> missing;
  };
  const auto look = [&](store::ReadTxn& t) {
    Found f;
    std::string at = path.text;
    while (true) {
      if (auto node = find(t, here(ctx), at)) {
        f.nearest = *std::move(node);
        return f;
      }
      f.missing.insert(f.missing.begin(), at);
      at = parent_of(at);
    }
  };
  const auto found = store_.read_as(look);
  const bool in_repo = store_.read_as([&](store::ReadTxn& t) { return in_git_folder(t, here(ctx), path.text); });
  const auto check = [&]() -> Result<void> {
    if (!found.nearest.is_folder()) {
      if (!allows(ctx, found.nearest, kCanRead)) return fail(denied(ctx, &found.nearest, kCanManage));
      return refuse(Errc::already_exists, path.shown(found.nearest.path()) + " already exists and it is not a folder");
    }
    // Everybody has a folder for Git folders of the same name as the home; it is made when it is first wanted.
    if (!found.missing.empty()) TARN_CHECK(check_repos(path.text, in_repo));
    const bool own_repos = found.nearest.path() == "/Repos" && found.missing.size() >= 1 && found.missing.front() == "/Repos/" + ctx.caller.name;
    if (found.missing.empty() ? allows(ctx, found.nearest, kCanRead) : own_repos || allows(ctx, found.nearest, kCanManage)) return {};
    return fail(denied(ctx, &found.nearest, found.missing.empty() ? kCanRead : kCanManage));
  };
  if (const auto fine = check(); !fine) {
    store_.refused(std::move(event), fine.error());
    return fail(fine.error());
  }
  if (found.missing.empty()) return Status{.node = found.nearest, .path = path.shown(path.text)};
  auto made = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Node> {
    const auto now = look(t);
    if (now.nearest.object_id != found.nearest.object_id && !within(now.nearest.path(), found.nearest.path()))
      return refuse(Errc::conflict, "The folder changed while the request ran. Try again.");
    if (!now.nearest.is_folder()) return refuse(Errc::already_exists, path.shown(now.nearest.path()) + " already exists and it is not a folder");
    Node last = now.nearest;
    for (const auto& at : now.missing) {
      TARN_TRY(node, add(t, ctx, {.parent = parent_of(at), .name = name_of(at)}));
      if (at == "/Repos/" + ctx.caller.name) permissions_.on_created(t, here(ctx), ref_of(node), ctx.caller);
      last = node;
    }
    return last;
  });
  if (!made) return fail(made.error());
  return Status{.node = *made, .path = path.shown(path.text)};
}

Result<Status> Tree::put(const access::Context& ctx, const Path& path, Node node, bool overwrite, const Bytes& bytes, const char* action) {
  auto event = ctx.event(kService, action, {{"path", path.text}, {"object_type", std::string(json::name_of(node.object_type))}});
  prepare(ctx, path.text);
  std::optional<Node> before, folder;
  bool in_repo = false;
  store_.read([&](store::ReadTxn& t) {
    in_repo = in_git_folder(t, here(ctx), path.text);
    before = path.is_root() ? std::nullopt : find(t, here(ctx), path.text);
    folder = find(t, here(ctx), parent_of(path.text));
  });
  const auto check = [&]() -> Result<void> {
    if (path.is_root()) return refuse(Errc::invalid, "Path (/) is the root folder: nothing can be imported there");
    if (!folder || !folder->is_folder()) return fail(no_parent(path));
    if (!before && (within(path.text, "/Repos"))) TARN_CHECK(check_repos(parent_of(path.text) == "/Repos" ? path.text + "/x" : path.text, in_repo));
    if (!before) {
      if (allows(ctx, *folder, kCanManage)) return {};
      return fail(allows(ctx, *folder, kCanRead) ? denied(ctx, &*folder, kCanManage) : no_parent(path));
    }
    if (!allows(ctx, *before, kCanRead)) return fail(denied(ctx, &*folder, kCanManage));
    if (before->is_folder()) return fail(taken(path));
    if (!overwrite) return fail(taken(path));
    if (!allows(ctx, *before, kCanEdit)) return fail(denied(ctx, &*before, kCanEdit));
    if (before->object_type != node.object_type)
      return refuse(Errc::invalid, fmt::format("Cannot overwrite the asset at {} due to type mismatch (asked: {}, actual: {})", path.asked,
                                               json::name_of(node.object_type), json::name_of(before->object_type)));
    return {};
  };
  if (const auto fine = check(); !fine) {
    store_.refused(std::move(event), fine.error());
    return fail(fine.error());
  }
  TARN_TRY(written, content_.write(here(ctx), bytes));
  std::string replaced;
  auto done = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Node> {
    const auto now = find(t, here(ctx), path.text), above = find(t, here(ctx), parent_of(path.text));
    if (!above || above->object_id != folder->object_id || (now ? now->object_id : 0) != (before ? before->object_id : 0))
      return refuse(Errc::conflict, "The object changed while the request ran. Try again.");
    Node next = now.value_or(node);
    next.parent = parent_of(path.text), next.name = name_of(path.text);
    next.object_type = node.object_type, next.stored_as = node.stored_as;
    next.language = node.language;
    replaced = std::exchange(next.blob, written.blob);
    next.size = written.size;
    next.git_changed = !next.git_object.empty();
    if (!now) return add(t, ctx, std::move(next));
    update(t, ctx, next);
    return next;
  });
  content_.remove(here(ctx), done ? replaced : written.blob);
  if (!done) return fail(done.error());
  return Status{.node = *done, .path = path.shown(path.text)};
}

Result<Status> Tree::import(const access::Context& ctx, Import r) {
  Node node{.object_type = ObjectType::NOTEBOOK};
  if (r.format == Format::DBC || r.format == Format::R_MARKDOWN)
    return refuse(Errc::unsupported,
                  fmt::format("Importing format {} is not supported. Use SOURCE, JUPYTER, HTML, RAW or AUTO.", json::name_of(r.format)));
  const auto notebook_size = [&]() -> Result<void> {
    if (r.bytes.file.empty() && r.bytes.memory.size() <= kMostImport) return {};
    return refuse(Errc::too_large, fmt::format("File size imported is ({} bytes), exceeded max size ({} bytes)", r.bytes.memory.size(), kMostImport));
  };
  if (r.format == Format::AUTO) {
    const auto name = name_of(r.path.text);
    if (r.bytes.file.empty() && is_notebook(name, r.bytes.memory)) {
      r.format = name.ends_with(".ipynb") ? Format::JUPYTER : Format::SOURCE;
      if (r.format == Format::SOURCE) r.language = language_of_name(name);
      r.path.text.resize(r.path.text.rfind('.'));  // a notebook's name has no extension
    } else {
      r.format = Format::RAW;
    }
  }
  switch (r.format) {
    case Format::SOURCE:
      TARN_CHECK(notebook_size());
      // Without a language the vendor expects an archive of sources, and says so.
      if (!r.language)
        return refuse(Errc::invalid,
                      "The zip file may not be valid or may be an unsupported version. Hint: Objects imported using format=SOURCE are expected to be "
                      "zip encoded databricks source notebook(s) or files. Zip supports files and notebooks. A single notebook needs a language.");
      node.language = r.language;
      node.stored_as = Format::SOURCE;
      break;
    case Format::JUPYTER: {
      TARN_CHECK(notebook_size());
      TARN_TRY(parsed, from_jupyter(r.bytes.memory, r.language));
      node.language = parsed.language;
      node.stored_as = Format::JUPYTER;
      break;
    }
    case Format::HTML: {
      TARN_CHECK(notebook_size());
      TARN_TRY(parsed, from_html(r.bytes.memory));
      node.language = parsed.language;
      node.stored_as = Format::SOURCE;
      r.bytes.memory = to_source(parsed);
      break;
    }
    default:
      node.object_type = ObjectType::FILE;
      node.stored_as = Format::RAW;
  }
  return put(ctx, r.path, std::move(node), r.overwrite, r.bytes, "import");
}

Result<Exported> Tree::export_object(const access::Context& ctx, const Path& path, Format format) {
  auto event = ctx.event(kService, "export", {{"path", path.text}, {"format", std::string(json::name_of(format))}});
  auto found = readable(ctx, path);
  if (!found) {
    store_.refused(std::move(event), found.error());
    return fail(found.error());
  }
  const Node& node = *found;
  if (node.is_folder() || node.blob.empty())
    return refuse(Errc::unsupported, "Path (" + path.asked + ") is a " + type_name(node.object_type) + ": only notebooks and files can be exported");
  if (format == Format::DBC || format == Format::R_MARKDOWN)
    return refuse(Errc::unsupported, fmt::format("Exporting format {} is not supported. Use SOURCE, JUPYTER, HTML or AUTO.", json::name_of(format)));
  Exported out{.name = node.name};
  if (node.object_type != ObjectType::NOTEBOOK) {
    if (format == Format::HTML || format == Format::JUPYTER)
      return refuse(Errc::invalid, fmt::format("Path ({}) is a file: it cannot be exported as {}", path.asked, json::name_of(format)));
    out.local_file = content_.local_path(node.workspace_id, node.blob);
    out.size = static_cast<std::uint64_t>(node.size);
    if (!out.local_file) {
      TARN_TRY(bytes, content_.read(node.workspace_id, node.blob));
      out.content = bytes;
    }
    const auto dot = node.name.rfind('.');
    if (dot != node.name.npos) out.file_type = node.name.substr(dot + 1);
    store_.audit_later(std::move(event));
    return out;
  }
  TARN_TRY(bytes, content_.read(node.workspace_id, node.blob));
  const Language language = node.language.value_or(Language::PYTHON);
  const auto parsed = [&]() -> Result<Notebook> {
    if (node.stored_as == Format::JUPYTER) return from_jupyter(bytes, language);
    return from_source(bytes, language);
  };
  if (format == Format::AUTO) format = node.stored_as == Format::JUPYTER ? Format::JUPYTER : Format::SOURCE;
  if (format == Format::JUPYTER && node.stored_as == Format::JUPYTER) {
    out.content = bytes;  // as it came, with its outputs
    out.file_type = "ipynb";
  } else {
    TARN_TRY(notebook, parsed());
    out.content = format == Format::HTML      ? to_html(notebook, node.name)
                  : format == Format::JUPYTER ? to_jupyter(notebook, node.name)
                                              : to_source(notebook);
    out.file_type = format == Format::HTML ? "html" : format == Format::JUPYTER ? "ipynb" : extension_of(language).substr(1);
  }
  out.size = out.content.size();
  store_.audit_later(std::move(event));
  return out;
}

Result<void> Tree::remove(const access::Context& ctx, const Path& path, bool recursive) {
  auto event = ctx.event(kService, "delete", {{"path", path.text}, {"recursive", recursive ? "true" : "false"}});
  auto found = readable(ctx, path);
  const auto check = [&]() -> Result<void> {
    if (!found) return fail(found.error());
    if (is_protected(path.text)) return refuse(Errc::is_protected, "Folder " + (path.is_root() ? "/" : name_of(path.text)) + " is protected");
    if (!allows(ctx, *found, kCanManage)) return fail(denied(ctx, &*found, kCanManage));
    return {};
  };
  if (const auto fine = check(); !fine) {
    store_.refused(std::move(event), fine.error());
    return fail(fine.error());
  }
  std::vector<std::string> blobs;
  auto done = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    blobs.clear();
    const auto now = find(t, here(ctx), path.text);
    if (!now) return fail(missing(path));
    if (now->object_id != found->object_id) return refuse(Errc::conflict, "The object changed while the request ran. Try again.");
    auto all = now->is_folder() ? below(t, here(ctx), path.text) : std::vector<Node>{};
    const bool more = now->is_folder() && std::ranges::any_of(watchers_, [&](Watcher* w) { return w->holds(t, *now); });
    if ((more || !all.empty()) && !recursive) return refuse(Errc::not_empty, "Folder (" + path.asked + ") is not empty");
    all.insert(all.begin(), *now);
    for (auto n = all.rbegin(); n != all.rend(); ++n) {
      erase(t, *n);
      if (!n->blob.empty()) blobs.push_back(n->blob);
    }
    t.audit().params["objects"] = std::to_string(all.size());
    return {};
  });
  if (!done) return done;
  for (const auto& b : blobs) content_.remove(here(ctx), b);
  return {};
}

Result<Folders::Place> Tree::folder(const access::Context& ctx, const std::string& text, std::string_view level) {
  TARN_TRY(path, parse_path(text));
  TARN_TRY(node, readable(ctx, path));
  if (!node.is_folder()) return refuse(Errc::invalid, "Path (" + path.asked + ") is not a folder");
  if (!allows(ctx, node, level)) return fail(denied(ctx, &node, level));
  return *place(here(ctx), path.text);
}

std::optional<Folders::Place> Tree::place(std::int64_t workspace, const std::string& path) {
  return store_.read_as([&](store::ReadTxn& t) -> std::optional<Place> {
    const auto node = find(t, workspace, path);
    if (!node) return std::nullopt;
    return Place{.path = path, .chain = chain_of(t, workspace, path)};
  });
}

}  // namespace tarn::workspace
