#pragma once
// What joins the room `ml` to rooms beside it: the catalog's models ask for a run's tables, experiments for folders, folders for experiments.
#include "catalog/models.h"
#include "ml/room.h"
#include "workspace/tree.h"

namespace tarn::app {

/// Where a registered model's lineage begins: the tables among the datasets that its run read.
class RunsOfModels final : public catalog::RunSources {
 public:
  explicit RunsOfModels(ml::Room& room) : room_(room) {}
  std::vector<std::string> tables_of(const access::Context& ctx, const std::string& run_id) override { return room_.runs.tables_read(ctx, run_id); }
  void registered(const access::Context& ctx, const std::string& id, const std::string& name, const std::string& version) override {
    room_.models.registered(ctx, id, {name, version});
  }

 private:
  ml::Room& room_;
};

/// Experiments lie in the workspace's folders: they inherit from them, are made where the caller may make things, and go with them.
class FoldersOfExperiments final : public ml::Folders, public workspace::Watcher {
 public:
  FoldersOfExperiments(workspace::Tree& tree, ml::Experiments& experiments) : tree_(tree), experiments_(experiments) {}
  ml::Result<void> may_create(const access::Context& ctx, const std::string& folder) override {
    const auto place = tree_.folder(ctx, folder, "CAN_MANAGE");
    if (place) return {};
    const auto& e = place.error();
    const auto code = e.code == workspace::Errc::permission_denied ? ml::Errc::permission_denied
                      : e.code == workspace::Errc::not_found       ? ml::Errc::not_found
                                                                   : ml::Errc::invalid;
    return fail(ml::Error{code, e.message});
  }
  std::vector<access::ObjectRef> chain(std::int64_t workspace_id, const std::string& folder) override {
    const auto place = tree_.place(workspace_id, folder);
    return place ? place->chain : std::vector<access::ObjectRef>();
  }
  void on_removed(store::WriteTxn& t, const workspace::Node& node) override {
    if (node.is_folder()) experiments_.on_folder_removed(t, node.workspace_id, node.path());
  }
  bool holds(store::ReadTxn& t, const workspace::Node& node) override {
    return node.is_folder() && experiments_.any_in(t, node.workspace_id, node.path());
  }

 private:
  workspace::Tree& tree_;
  ml::Experiments& experiments_;
};

}  // namespace tarn::app
