#include "repos/repos.h"

#include "base/ids.h"

namespace tarn::repos {
namespace {

using workspace::Node;
using workspace::ObjectType;

struct RepoRecord : RepoInfo {
  std::int64_t workspace_id = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), path}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", store::key({store::sortable(workspace_id), std::to_string(id)}), true}}; }
};
BOOST_DESCRIBE_STRUCT(RepoRecord, (RepoInfo), (workspace_id))
constexpr store::Collection<RepoRecord> kRepos{"repos.repo"};

Error no_repo(std::int64_t id) { return {Errc::not_found, fmt::format("Repo with ID {} could not be found", id)}; }

Error lifted(const workspace::Error& e) {
  switch (e.code) {
    case workspace::Errc::not_found:
      return {Errc::not_found, e.message};
    case workspace::Errc::permission_denied:
      return {Errc::permission_denied, e.message};
    case workspace::Errc::already_exists:
      return {Errc::already_exists, e.message};
    case workspace::Errc::conflict:
      return {Errc::conflict, e.message};
    case workspace::Errc::unavailable:
      return {Errc::unavailable, e.message};
    case workspace::Errc::too_large:
      return {Errc::too_large, e.message};
    default:
      return {Errc::invalid, e.message};
  }
}

/// "my-repo" of https://host/team/my-repo.git
std::string name_of_url(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  if (url.ends_with(".git")) url.resize(url.size() - 4);
  return url.substr(url.rfind('/') + 1);
}

Result<std::optional<Sparse>> checked(const std::optional<Sparse>& sparse) {
  if (!sparse || sparse->patterns.empty()) return std::optional<Sparse>();
  if (sparse->patterns.size() > 1000) return refuse(Errc::invalid, "Field 'sparse_checkout.patterns' must have at most 1000 entries");
  Sparse out;
  for (auto p : sparse->patterns) {
    while (p.starts_with('/')) p.erase(0, 1);
    while (p.ends_with('/')) p.pop_back();
    if (p.empty() || p.size() > 1000 || p.find_first_of("*?[!\\\n") != p.npos)
      return refuse(Errc::invalid, "Field 'sparse_checkout.patterns' must name folders (cone mode); got '" + p.substr(0, 100) + "'");
    out.patterns.push_back(std::move(p));
  }
  return std::optional(out);
}

/// What a file of the remote becomes in the tree.
struct Item {
  const TreeFile* file = nullptr;
  std::string path;  // below the Git folder, as the tree names it
  ObjectType type = ObjectType::FILE;
  std::optional<workspace::Language> language;
  workspace::Format stored_as = workspace::Format::RAW;
};

}  // namespace

bool in_cone(const std::vector<std::string>& patterns, std::string_view path) {
  if (patterns.empty()) return true;
  const auto slash = path.rfind('/');
  const auto folder = slash == path.npos ? std::string_view() : path.substr(0, slash);
  if (folder.empty()) return true;
  for (const auto& p : patterns) {
    if (path.starts_with(p) && path.size() > p.size() && path[p.size()] == '/') return true;        // inside
    if (p.starts_with(folder) && p.size() > folder.size() && p[folder.size()] == '/') return true;  // beside the way to it
  }
  return false;
}

Result<Repos::Found> Repos::reach(const access::Context& ctx, std::int64_t id, std::string_view level) {
  Found out;
  const auto there = store_.read_as([&](store::ReadTxn& t) {
    const auto record = kRepos.find(t, "id", store::key({store::sortable(here(ctx)), std::to_string(id)}));
    const auto node = record ? tree_.find_id(t, here(ctx), id) : std::nullopt;
    if (!node) return false;
    out = {record->value, *node};
    return true;
  });
  if (!there || !tree_.allows(ctx, out.node, workspace::kCanRead)) return fail(no_repo(id));
  if (!tree_.allows(ctx, out.node, level)) return fail(lifted(tree_.denied(ctx, &out.node, level)));
  return out;
}

Result<void> Repos::apply(const access::Context& ctx, const std::string& root, const Checkout& checkout, store::AuditEvent event,
                          const std::function<Result<void>(store::WriteTxn&)>& also) {
  // Notebooks lose their extension, as everywhere in the tree, unless something else has that name.
  std::map<std::string, Item> items;
  std::set<std::string> names;
  for (const auto& f : checkout.files) {
    names.insert(f.path);
    for (auto slash = f.path.find('/'); slash != f.path.npos; slash = f.path.find('/', slash + 1)) names.insert(f.path.substr(0, slash));
  }
  for (const auto& f : checkout.files) {
    if (!workspace::parse_path(root + "/" + f.path))
      return refuse(Errc::invalid, "The repository has a file whose name the workspace cannot hold: " + f.path.substr(0, 200));
    Item item{.file = &f, .path = f.path};
    const auto dot = f.path.rfind('.');
    const bool may_be =
        f.size <= workspace::kMostImport && (f.path.ends_with(".ipynb") || workspace::language_of_name(workspace::name_of("/" + f.path)));
    if (may_be && workspace::is_notebook(f.path, checkout.bytes(f))) {
      item.type = ObjectType::NOTEBOOK;
      item.stored_as = workspace::Format::SOURCE;
      item.language = workspace::language_of_name(f.path);
      if (!item.language) {
        const auto parsed = workspace::from_jupyter(checkout.bytes(f), std::nullopt);
        if (parsed) item.language = parsed->language, item.stored_as = workspace::Format::JUPYTER;
        if (!parsed) item.type = ObjectType::FILE, item.stored_as = workspace::Format::RAW;
      }
      const auto bare = f.path.substr(0, dot);
      if (item.type == ObjectType::NOTEBOOK && names.insert(bare).second) item.path = bare;
    }
    items.emplace(item.path, item);
  }
  const auto in_place = [&](store::ReadTxn& t) {
    std::map<std::string, Node> out;
    for (auto& n : tree_.below(t, here(ctx), root)) out.emplace(n.path().substr(root.size() + 1), std::move(n));
    return out;
  };
  // The bytes of what differs are written first, under new names; the transaction then puts everything in place at once.
  const auto before = store_.read_as(in_place);
  std::map<std::string, workspace::Content::Written> written;
  const auto drop = [&] {
    for (const auto& [path, w] : written) tree_.content().remove(here(ctx), w.blob);
  };
  for (const auto& [path, item] : items) {
    const auto there = before.find(path);
    if (there != before.end() && there->second.git_object == item.file->object) continue;
    auto w = tree_.content().write(here(ctx), {.memory = checkout.bytes(*item.file), .file = {}});
    if (!w) {
      drop();
      return fail(lifted(w.error()));
    }
    written.emplace(path, *std::move(w));
  }
  std::vector<std::string> replaced;
  auto done = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    replaced.clear();
    const auto fine = also(t);  // first: a new folder must be there before what it holds
    if (!fine) return fail(fine.error());
    auto now = in_place(t);
    const auto conflict = [&](const std::string& path) {
      return Error{Errc::conflict, "Cannot perform Git operation due to conflicting changes: " + root + "/" + path +
                                       " was changed in the workspace. Discard or commit it first, then try again."};
    };
    std::set<std::string> emptied;  // folders that a file went away from
    for (auto& [path, node] : now) {
      if (node.git_object.empty() || node.is_folder()) continue;  // the workspace's own
      if (items.contains(path)) continue;
      if (node.git_changed) return fail(conflict(path));
      for (const auto& a : workspace::ancestors(node.path()))
        if (a.size() > root.size()) emptied.insert(a.substr(root.size() + 1));
      if (!node.blob.empty()) replaced.push_back(node.blob);
      tree_.erase(t, node);
    }
    const auto take = [&](Node& n, const Item& item) {
      n.object_type = item.type, n.language = item.language, n.stored_as = item.stored_as;
      n.git_object = item.file->object, n.git_changed = false;
      const auto& w = written.at(item.path);
      n.blob = w.blob, n.size = w.size;
    };
    for (const auto& [path, item] : items) {
      const auto there = now.find(path);
      if (there != now.end() && there->second.git_object == item.file->object) continue;  // as it was, or edited on the same ground
      if (there != now.end()) {
        Node& node = there->second;
        if (node.git_changed || node.git_object.empty() || node.object_type != item.type) return fail(conflict(path));
        if (!written.contains(path)) return fail(Error{Errc::conflict, "The Git folder changed while it was updated. Try again."});
        replaced.push_back(node.blob);
        take(node, item);
        tree_.update(t, ctx, node);
        continue;
      }
      if (!written.contains(path)) return fail(Error{Errc::conflict, "The Git folder changed while it was updated. Try again."});
      const std::string full = root + "/" + path;
      auto above = workspace::ancestors(full);
      for (auto folder = above.rbegin(); folder != above.rend(); ++folder) {
        const auto is = tree_.find(t, here(ctx), *folder);
        if (is && !is->is_folder()) return fail(conflict(folder->substr(root.size() + 1)));
        if (is) continue;
        auto made = tree_.add(t, ctx, {.parent = workspace::parent_of(*folder), .name = workspace::name_of(*folder)});
        if (!made) return fail(lifted(made.error()));
      }
      Node node{.parent = workspace::parent_of(full), .name = workspace::name_of(full)};
      take(node, item);
      auto made = tree_.add(t, ctx, std::move(node));
      if (!made) return fail(lifted(made.error()));
    }
    // Folders that held only what went away go, too; those that somebody made stay.
    std::set<std::string> needed = names;
    const auto left = tree_.below(t, here(ctx), root);
    for (const auto& n : left)
      if (!n.is_folder())
        for (const auto& a : workspace::ancestors(n.path())) needed.insert(a.size() > root.size() ? a.substr(root.size() + 1) : "");
    for (auto n = left.rbegin(); n != left.rend(); ++n) {
      const auto path = n->path().substr(root.size() + 1);
      if (n->is_folder() && !needed.contains(path) && emptied.contains(path)) tree_.erase(t, *n);
    }
    return {};
  });
  if (!done) {
    drop();
    return done;
  }
  for (const auto& b : replaced) tree_.content().remove(here(ctx), b);
  return {};
}

Result<RepoInfo> Repos::create(const access::Context& ctx, const NewRepo& r) {
  auto event = ctx.event("repos", "createRepo", {{"url", r.url.substr(0, 300)}, {"provider", r.provider.substr(0, 60)}});
  const auto run = [&]() -> Result<RepoInfo> {
    const auto provider = known_provider(r.provider);
    if (!provider) return refuse(Errc::invalid, "Invalid Git provider: " + r.provider.substr(0, 60));
    TARN_TRY(sparse, checked(r.sparse_checkout));
    TARN_TRY(target, targets_.resolve(r.url));
    const std::string own = "/Repos/" + ctx.caller.name;
    auto path = workspace::parse_path(r.path && !r.path->empty() ? *r.path : own + "/" + name_of_url(r.url));
    if (!path) return fail(lifted(path.error()));
    const std::string root = path->text;
    if (path->is_root() || root == "/Repos" || workspace::parent_of(root) == "/Repos" || workspace::parent_of(root) == "/Users" ||
        root == "/Shared" || (root.starts_with("/Repos/") && workspace::parent_of(workspace::parent_of(root)) != "/Repos"))
      return refuse(Errc::invalid, "Invalid path for a Git folder: " + root + ". Under /Repos it must be /Repos/<directory>/<repo>.");
    if (workspace::parent_of(root) == own)
      if (auto made = tree_.mkdirs(ctx, *workspace::parse_path(own)); !made) return fail(lifted(made.error()));
    auto parent = tree_.folder(ctx, workspace::parent_of(root), workspace::kCanManage);
    if (!parent && parent.error().code == workspace::Errc::not_found)
      return refuse(Errc::not_found, "Parent directory " + workspace::parent_of(root) + " does not exist.");
    if (!parent) return fail(lifted(parent.error()));
    const auto taken = [&] {
      return Error{Errc::already_exists,
                   "Repo " + root +
                       " already exists. If you would like to create two repos from the same remote Git repo, rename the first repo "
                       "before creating the second."};
    };
    const auto state = store_.read_as(
        [&](store::ReadTxn& t) { return std::pair(tree_.find(t, here(ctx), root).has_value(), tree_.in_git_folder(t, here(ctx), root)); });
    if (state.first) return fail(taken());
    if (state.second) return refuse(Errc::invalid, "A Git folder cannot lie within another: " + root);
    TARN_TRY(login, credentials_.login(ctx, *provider, r.git_credential_id));
    const auto patterns = sparse ? sparse->patterns : std::vector<std::string>{};
    TARN_TRY(checkout, git_.fetch(target, login, "", "", [&](const std::string& p) { return in_cone(patterns, p); }));
    RepoRecord record;
    record.workspace_id = here(ctx);
    record.url = r.url, record.provider = *provider, record.path = root, record.sparse_checkout = sparse;
    if (!checkout.branch.empty()) record.branch = checkout.branch;
    if (!checkout.commit.empty()) record.head_commit_id = checkout.commit;
    event.params["path"] = root;
    TARN_CHECK(apply(ctx, root, checkout, event, [&](store::WriteTxn& t) -> Result<void> {
      if (!tree_.find(t, here(ctx), workspace::parent_of(root)))
        return refuse(Errc::not_found, "Parent directory " + workspace::parent_of(root) + " does not exist.");
      auto node = tree_.add(t, ctx, {.parent = workspace::parent_of(root), .name = workspace::name_of(root), .object_type = ObjectType::REPO});
      if (!node) return fail(taken());
      record.id = node->object_id;
      if (!kRepos.insert(t, record)) return fail(taken());
      return {};
    }));
    return RepoInfo(record);
  };
  auto done = run();
  if (!done) return fail(store_.refused(std::move(event), done.error()));
  return done;
}

Result<RepoInfo> Repos::get(const access::Context& ctx, std::int64_t id) {
  auto event = ctx.event("repos", "getRepo", {{"id", std::to_string(id)}});
  auto found = reach(ctx, id, workspace::kCanRead);
  if (!found) return fail(store_.refused(std::move(event), found.error()));
  store_.audit_later(std::move(event));
  return found->info;
}

Result<RepoPage> Repos::list(const access::Context& ctx, const std::string& prefix, const std::string& after, std::size_t limit) {
  auto path = workspace::parse_path(prefix.empty() ? "/" : prefix);
  if (!path) return fail(lifted(path.error()));
  tree_.prepare(ctx, path->text);
  const auto all = store_.read_as([&](store::ReadTxn& t) {
    std::vector<std::pair<RepoRecord, Node>> out;
    for (auto& r :
         kRepos.scan(t, store::prefix({store::sortable(here(ctx))}), after.empty() ? "" : store::key({store::sortable(here(ctx)), after}))) {
      if (!path->is_root() && !r.path.starts_with(path->text)) continue;
      if (auto node = tree_.find_id(t, here(ctx), r.id)) out.emplace_back(std::move(r), *std::move(node));
    }
    return out;
  });
  RepoPage out;
  for (const auto& [record, node] : all) {
    if (!tree_.allows(ctx, node, workspace::kCanRead)) continue;
    if (out.repos.size() == limit) {
      out.next = out.repos.back().path;
      break;
    }
    out.repos.push_back(record);
  }
  store_.audit_later(ctx.event("repos", "listRepos"));
  return out;
}

Result<RepoInfo> Repos::update(const access::Context& ctx, std::int64_t id, const RepoChange& c) {
  auto event = ctx.event("repos", "updateRepo",
                         {{"id", std::to_string(id)}, {"branch", c.branch.value_or("").substr(0, 255)}, {"tag", c.tag.value_or("").substr(0, 255)}});
  const auto run = [&]() -> Result<RepoInfo> {
    TARN_TRY(found, reach(ctx, id, workspace::kCanManage));
    if (c.path && *c.path != found.info.path) return refuse(Errc::invalid, "Field 'path' cannot be changed: create a new Git folder instead");
    if (c.url && *c.url != found.info.url) return refuse(Errc::invalid, "Field 'url' cannot be changed: create a new Git folder instead");
    const auto branch = c.branch.value_or(""), tag = c.tag.value_or("");
    if (!branch.empty() && !tag.empty()) return refuse(Errc::invalid, "Only one of the fields 'branch' and 'tag' may be set");
    for (const auto& name : {branch, tag})
      if (!name.empty() && !valid_ref(name)) return refuse(Errc::invalid, "'" + name.substr(0, 100) + "' is not a valid name of a branch or tag");
    auto sparse = found.info.sparse_checkout;
    if (c.sparse_checkout) {
      if (!found.info.sparse_checkout) return refuse(Errc::invalid, "Sparse checkout cannot be switched on for an existing Git folder");
      TARN_TRY(next, checked(c.sparse_checkout));
      sparse = next ? next : sparse;
    }
    TARN_TRY(target, targets_.resolve(found.info.url));
    TARN_TRY(login, credentials_.login(ctx, found.info.provider, c.git_credential_id));
    const auto patterns = sparse ? sparse->patterns : std::vector<std::string>{};
    const auto wanted = !branch.empty() || !tag.empty() ? branch : found.info.branch.value_or("");
    TARN_TRY(checkout, git_.fetch(target, login, wanted, tag, [&](const std::string& p) { return in_cone(patterns, p); }));
    RepoRecord record;
    static_cast<RepoInfo&>(record) = found.info;
    record.workspace_id = here(ctx), record.sparse_checkout = sparse;
    record.branch = checkout.branch.empty() ? std::nullopt : std::optional(checkout.branch);
    record.head_commit_id = checkout.commit.empty() ? std::nullopt : std::optional(checkout.commit);
    event.params["path"] = record.path;
    TARN_CHECK(apply(ctx, record.path, checkout, event, [&](store::WriteTxn& t) -> Result<void> {
      if (!kRepos.update(t, record)) return fail(no_repo(id));
      return {};
    }));
    return RepoInfo(record);
  };
  auto done = run();
  if (!done) return fail(store_.refused(std::move(event), done.error()));
  return done;
}

Result<void> Repos::remove(const access::Context& ctx, std::int64_t id) {
  auto event = ctx.event("repos", "deleteRepo", {{"id", std::to_string(id)}});
  auto found = reach(ctx, id, workspace::kCanManage);
  if (!found) return fail(store_.refused(std::move(event), found.error()));
  auto done = tree_.remove(ctx, *workspace::parse_path(found->info.path), true);
  if (!done) return fail(store_.refused(std::move(event), lifted(done.error())));
  store_.audit_later(std::move(event));
  return {};
}

void Repos::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  for (const auto& r : kRepos.scan(t, store::prefix({store::sortable(workspace)}))) kRepos.erase(t, r.store_key());
}

void Repos::on_removed(store::WriteTxn& t, const Node& node) {
  if (node.object_type == ObjectType::REPO) kRepos.erase(t, store::key({store::sortable(node.workspace_id), node.path()}));
}

json::value Repos::git_info(store::ReadTxn& t, const Node& node) {
  const auto r = kRepos.find(t, "id", store::key({store::sortable(node.workspace_id), std::to_string(node.object_id)}));
  return r ? json::encode(static_cast<const RepoInfo&>(r->value)) : json::value(nullptr);
}

}  // namespace tarn::repos
