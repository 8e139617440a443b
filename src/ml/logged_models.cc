#include "base/ids.h"
#include "ml/checks.h"
#include "ml/runs.h"

namespace tarn::ml {

Result<ModelRef> LoggedModels::require(const access::Context& ctx, const std::string& model_id, std::string_view level) {
  const auto ref = tracking_.find_model(model_id);
  if (!ref || ref->workspace != ctx.workspace_id || ref->deleted)
    return refuse(Errc::not_found, fmt::format("Logged model with ID '{}' not found.", model_id));
  TARN_CHECK(experiments_.require(ctx, std::to_string(ref->experiment), level));
  return *ref;
}

Result<LoggedModel> LoggedModels::create(const access::Context& ctx, const New& n) {
  for (std::size_t i = 0; i < n.params.size(); ++i) TARN_CHECK(check_param(n.params[i], {"params", i}));
  for (std::size_t i = 0; i < n.tags.size(); ++i) TARN_CHECK(check_tag(n.tags[i], {"tags", i}));
  if (n.name.find_first_of("/:.%\"'") != n.name.npos)
    return refuse(Errc::invalid,
                  fmt::format("Invalid model name ('{}') provided. Model name must be a non-empty string and cannot contain the following "
                              "characters: ('/', ':', '.', '%', '\"', \"'\")",
                              n.name));
  TARN_TRY(e, experiments_.require(ctx, n.experiment_id, kEdit));
  if (e.deleted)
    return refuse(Errc::invalid, fmt::format("The experiment {} must be in the 'active' state. Current state is deleted.", e.experiment_id));
  return tracking_.create_model({.workspace = e.workspace_id,
                                 .experiment = e.number(),
                                 .creator = ctx.caller.id,
                                 .name = n.name.empty() ? fmt::format("model-{}", new_hex(4)) : n.name,
                                 .artifact_root = e.artifact_location,
                                 .model_type = n.model_type,
                                 .source_run_id = n.source_run_id,
                                 .params = n.params,
                                 .tags = n.tags});
}

Result<LoggedModel> LoggedModels::get(const access::Context& ctx, const std::string& model_id) {
  TARN_CHECK(require(ctx, model_id, kRead));
  return tracking_.model(model_id);
}

Result<LoggedModel> LoggedModels::finalize(const access::Context& ctx, const std::string& model_id, LoggedModelStatus status) {
  TARN_CHECK(require(ctx, model_id, kEdit));
  tracking_.finalize_model(model_id, status);
  return tracking_.model(model_id);
}

Result<void> LoggedModels::remove(const access::Context& ctx, const std::string& model_id) {
  TARN_CHECK(require(ctx, model_id, kEdit));
  tracking_.delete_model(model_id);
  return {};
}

Result<void> LoggedModels::log_params(const access::Context& ctx, const std::string& model_id, const std::vector<KeyValue>& params) {
  for (std::size_t i = 0; i < params.size(); ++i) TARN_CHECK(check_param(params[i], {"params", i}));
  TARN_CHECK(require(ctx, model_id, kEdit));
  return tracking_.log_model_params(model_id, params);
}

Result<LoggedModel> LoggedModels::set_tags(const access::Context& ctx, const std::string& model_id, const std::vector<KeyValue>& tags) {
  for (std::size_t i = 0; i < tags.size(); ++i) TARN_CHECK(check_tag(tags[i], {"tags", i}));
  TARN_CHECK(require(ctx, model_id, kEdit));
  tracking_.set_model_tags(model_id, tags);
  return tracking_.model(model_id);
}

Result<void> LoggedModels::delete_tag(const access::Context& ctx, const std::string& model_id, const std::string& key) {
  TARN_CHECK(require(ctx, model_id, kEdit));
  return tracking_.delete_model_tag(model_id, key);
}

void LoggedModels::registered(const access::Context& ctx, const std::string& model_id, const ModelRegistration& registration) {
  if (require(ctx, model_id, kEdit)) tracking_.add_registration(model_id, registration);
}

Result<Page<LoggedModel>> LoggedModels::search(const access::Context& ctx, const Search& s) {
  ModelSearch q{.datasets = s.datasets, .limit = s.limit, .after = s.after};
  TARN_TRY(filter, parse_filter(s.filter, logged_model_grammar()));
  q.filter = std::move(filter);
  for (const auto& o : s.order_by) {
    TARN_TRY(term, parse_order(o.field_name, logged_model_grammar()));
    term.ascending = o.ascending;
    if (!o.dataset_name.empty() && term.entity != Entity::metric)
      return refuse(Errc::invalid, fmt::format("`dataset_name` can only be specified for metrics, not '{}'", o.field_name));
    q.order.push_back({term, o.dataset_name, o.dataset_digest});
  }
  std::optional<Error> last;
  for (const auto& id : s.experiment_ids) {
    auto e = experiments_.require(ctx, id, kRead);
    if (!e)
      last = e.error();
    else if (!e->deleted)
      q.experiments.push_back(e->number());
  }
  if (q.experiments.empty() && last) return fail(*last);
  return tracking_.search_models(q);
}

}  // namespace tarn::ml
