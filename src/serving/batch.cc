#include "serving/batch.h"

#include <deque>
#include <future>
#include <thread>

#include "base/ids.h"
#include "serving/runtime_state.h"

namespace tarn::serving {
namespace {

constexpr std::size_t kRowsTogether = 256, kBytesTogether = 1u << 20, kAtOnce = 4;
constexpr auto kLook = std::chrono::milliseconds(10);  // between two looks at what is waited for

Error batch_no_endpoint(const std::string& name) {
  return {{Errc::not_found, fmt::format("The serving endpoint '{}' does not exist.", name.substr(0, 100))}, 0};
}

/// A prediction as SQL reads it: the one field of a record stands for the record.
RowAnswer batch_answer(const json::value& v) {
  if (v.is_null()) return {};
  if (v.is_string()) return {RowAnswer::Kind::value, std::string(v.get_string())};
  if (const auto* o = v.if_object(); o && o->size() == 1) return batch_answer(o->begin()->value());
  if (v.is_double()) {
    auto text = fmt::format("{}", v.get_double());
    return {RowAnswer::Kind::value, text.find_first_of(".en") == text.npos ? text + ".0" : text};  // a whole double stays one
  }
  return {RowAnswer::Kind::value, boost::json::serialize(v)};
}

bool of_the_rows(Errc code) { return code == Errc::invalid || code == Errc::model_failed; }
bool passing(Errc code) { return code == Errc::too_many_requests || code == Errc::unavailable; }

std::optional<std::string> sql_type_of_output(const json::object& o) {
  const auto text = [](const json::value* v) { return v && v->is_string() ? std::string_view(v->get_string()) : std::string_view(); };
  const auto type = text(o.if_contains("type"));
  if (type == "tensor") {
    const auto* spec = o.if_contains("tensor-spec");
    if (!spec || !spec->is_object()) return std::nullopt;
    const auto dtype = text(spec->get_object().if_contains("dtype"));
    const auto* shape = spec->get_object().if_contains("shape");
    const char* item = dtype == "float64"                    ? "DOUBLE"
                       : dtype == "float32"                  ? "FLOAT"
                       : dtype == "int64"                    ? "BIGINT"
                       : dtype == "int32"                    ? "INT"
                       : dtype == "bool"                     ? "BOOLEAN"
                       : dtype == "object" || dtype == "str" ? "STRING"
                                                             : nullptr;
    if (!item || !shape || !shape->is_array() || shape->get_array().empty()) return std::nullopt;
    std::string out = item;
    for (std::size_t i = 1; i < shape->get_array().size(); ++i) out = "ARRAY<" + out + ">";
    return out;
  }
  static const std::map<std::string_view, const char*> plain{{"double", "DOUBLE"}, {"float", "FLOAT"},       {"long", "BIGINT"},
                                                             {"integer", "INT"},   {"boolean", "BOOLEAN"},   {"string", "STRING"},
                                                             {"binary", "STRING"}, {"datetime", "TIMESTAMP"}};
  const auto i = plain.find(type);
  return i == plain.end() ? std::nullopt : std::optional<std::string>(i->second);
}

}  // namespace

struct Batches::Part {
  std::size_t from = 0, to = 0;
  std::shared_ptr<const View> view;
  std::shared_ptr<Served> served;
  std::string body;
  Steady::time_point began, deadline;
  std::optional<Error> refused;  // before it was sent
  std::future<Result<ScoreReply>> reply;
};

std::future<Result<ScoreReply>> Runtime::score_later(std::shared_ptr<const View> view, std::shared_ptr<Served> served, std::string body,
                                                     Steady::time_point deadline) {
  State& s = *state_;
  auto promised = std::make_shared<std::promise<Result<ScoreReply>>>();
  auto answer = promised->get_future();
  auto p = std::make_unique<Pending>();
  p->body = std::move(body);
  p->deadline = deadline;
  p->view = std::move(view);
  p->done = [promised](Result<ScoreReply> r) { promised->set_value(std::move(r)); };
  if (s.stopping)
    p->done(refuse(Errc::unavailable, "The server is stopping.", 1));
  else
    asio::post(s.io, [&s, live = std::static_pointer_cast<LiveServed>(served), p = std::move(p)]() mutable { s.enqueue(live, std::move(p)); });
  return answer;
}

bool Runtime::stopping() const { return state_->stopping; }

Result<std::shared_ptr<const View>> Batches::endpoint_of(const access::Context& ctx, const std::string& name) {
  auto view = runtime_.find(ctx.workspace_id.value_or(0), name);
  const access::ObjectRef ref{kPermissionType, view ? view->endpoint.id : ""};
  if (!view || !permissions_.allows(ctx, ref, "CAN_VIEW")) return fail(batch_no_endpoint(name));
  if (!permissions_.allows(ctx, ref, "CAN_QUERY"))
    return refuse(Errc::permission_denied, fmt::format("User does not have CAN_QUERY permission on the serving endpoint '{}'.", name));
  return view;
}

Result<std::shared_ptr<const Model>> Batches::model_of(const View& view, const Served& served, Steady::time_point deadline,
                                                       const std::function<bool()>& cancelled) const {
  for (;;) {
    if (auto m = served.model()) return m;
    if (served.failed())
      return refuse(Errc::unavailable, fmt::format("Served entity '{}' of the endpoint '{}' cannot be served: {}", served.entity.name,
                                                   view.endpoint.name, served.status().message));
    if (runtime_.stopping() || Steady::now() > deadline || (cancelled && cancelled()))
      return refuse(Errc::unavailable, fmt::format("The serving endpoint '{}' is still being loaded.", view.endpoint.name));
    std::this_thread::sleep_for(kLook);
  }
}

Result<std::string> Batches::type_of(const access::Context& ctx, const std::string& name) {
  TARN_TRY(view, endpoint_of(ctx, name));
  const auto served = view->pick();
  if (!served) return refuse(Errc::unavailable, fmt::format("The serving endpoint '{}' is not ready.", name));
  TARN_TRY(model, model_of(*view, *served, Steady::now() + runtime_.options().request_timeout, {}));
  const auto outputs = json::parse(model->outputs_json);
  const auto* list = outputs ? outputs->if_array() : nullptr;
  const auto untold = refuse(Errc::invalid, "the model's signature does not say what it answers");
  if (!list || list->empty()) return untold;
  std::string fields;
  for (const auto& v : *list) {
    const auto* o = v.if_object();
    const auto type = o ? sql_type_of_output(*o) : std::nullopt;
    if (!type) return untold;
    if (list->size() == 1) return *type;
    const auto* field = o->if_contains("name");
    if (!field || !field->is_string()) return untold;
    std::string quoted;
    for (const char c : field->get_string()) quoted += c == '`' ? "``" : std::string(1, c);
    fields += (fields.empty() ? "`" : ", `") + quoted + "`: " + *type;
  }
  return "STRUCT<" + fields + ">";
}

void Batches::send(const access::Context& ctx, Part& part, const json::array& rows, const std::function<bool()>& cancelled) {
  part.refused.reset();
  part.began = Steady::now();
  part.deadline = part.began + runtime_.options().request_timeout;
  const auto ready = [&]() -> Result<void> {
    TARN_TRY(view, endpoint_of(ctx, part.view ? part.view->endpoint.name : ""));
    part.view = view;
    part.served = view->pick();
    if (!part.served) return refuse(Errc::unavailable, fmt::format("The serving endpoint '{}' is not ready.", view->endpoint.name));
    if (const auto wait = runtime_.limited(*view, ctx.caller))
      return refuse(Errc::too_many_requests, fmt::format("Endpoint '{}' reached a rate limit.", view->endpoint.name), *wait);
    TARN_TRY(model, model_of(*view, *part.served, part.deadline, cancelled));
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(part.from), last = rows.begin() + static_cast<std::ptrdiff_t>(part.to);
    json::array mine(first, last);
    const bool one = model->inputs.size() == 1 && !model->inputs[0].name.empty();
    if (one)
      for (auto& v : mine)
        if (!v.is_object()) v = json::object{{model->inputs[0].name, v}};
    const bool records = std::ranges::all_of(mine, [](const json::value& v) { return v.is_object(); });
    part.body = boost::json::serialize(json::object{{records ? "dataframe_records" : "inputs", std::move(mine)}});
    if (part.served->looks_up()) {
      TARN_TRY(whole, part.served->filled(std::move(part.body)));
      part.body = std::move(whole);
    }
    TARN_TRY(fine, check_request(*model, part.body));
    static_cast<void>(fine);
    return {};
  }();
  if (!ready) {
    part.refused = ready.error();
    return;
  }
  ++part.view->stats->in_flight;
  part.reply = runtime_.score_later(part.view, part.served, part.body, part.deadline);
}

Result<std::vector<RowAnswer>> Batches::answers(const access::Context& ctx, Part& part, const json::array& rows,
                                                const std::function<bool()>& cancelled) {
  const auto until = Steady::now() + runtime_.options().request_timeout;
  for (int tries = 0;; ++tries) {
    Result<ScoreReply> reply = part.refused ? Result<ScoreReply>(fail(*part.refused)) : refuse(Errc::timed_out, "The model did not answer in time.");
    if (!part.refused) {
      const auto last = part.deadline + std::chrono::seconds(2);
      while (part.reply.wait_for(kLook) != std::future_status::ready && Steady::now() < last && !cancelled()) {
      }
      if (part.reply.wait_for(std::chrono::seconds(0)) == std::future_status::ready) reply = part.reply.get();
      --part.view->stats->in_flight;
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - part.began);
      const int status = reply ? 200 : refusal_of(reply.error().code).status;
      part.view->stats->record(status, took);
      if (const auto& kept = part.view->endpoint.capture(); kept && sampled(kept->sampling_fraction))
        capture_.add(part.view->endpoint, *kept,
                     {.request_id = new_uuid(),
                      .client_request_id = ctx.request_id,
                      .served_model = part.served->entity.name,
                      .entity_name = part.served->entity.entity_name,
                      .entity_version = part.served->entity.entity_version,
                      .requester = ctx.caller.name,
                      .request = part.body,
                      .response = reply ? reply->body : boost::json::serialize(json::object{{"message", reply.error().message}}),
                      .timestamp = clock_.now(),
                      .status = status,
                      .execution_ms = took.count() / 1000,
                      .sampling_fraction = kept->sampling_fraction});
    }
    if (reply) {
      const auto doc = json::parse(reply->body);
      const auto* predictions = doc && doc->is_object() ? doc->get_object().if_contains("predictions") : nullptr;
      const auto* list = predictions ? predictions->if_array() : nullptr;
      if (!list || list->size() != part.to - part.from)
        return refuse(Errc::model_failed, fmt::format("The endpoint '{}' answered {} predictions for {} rows.", part.view->endpoint.name,
                                                      list ? std::to_string(list->size()) : "no list of", part.to - part.from));
      std::vector<RowAnswer> out;
      for (const auto& p : *list) out.push_back(batch_answer(p));
      return out;
    }
    if (!passing(reply.error().code)) return fail(reply.error());
    // What passes is waited for a little longer each time, as the refusal says.
    const auto again = Steady::now() + std::min<std::chrono::milliseconds>(std::chrono::milliseconds(50 << std::min(tries, 6)),
                                                                           std::chrono::seconds(std::max(1, reply.error().retry_after)));
    if (again > until || runtime_.stopping()) return fail(reply.error());
    while (Steady::now() < again && !cancelled()) std::this_thread::sleep_for(kLook);
    if (cancelled()) return fail(reply.error());
    send(ctx, part, rows, cancelled);
  }
}

Result<std::vector<RowAnswer>> Batches::ask(const access::Context& ctx, const std::string& name, const std::vector<std::string>& inputs, bool each,
                                            const std::function<bool()>& cancelled) {
  TARN_TRY(view, endpoint_of(ctx, name));
  std::vector<RowAnswer> out(inputs.size());
  json::array rows;
  std::deque<Part> todo;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto v = json::parse(inputs[i]);
    if (!v) return refuse(Errc::invalid, "A request is no JSON: " + v.error().message());
    rows.push_back(*std::move(v));
    if (todo.empty() || i - todo.back().from >= kRowsTogether || bytes + inputs[i].size() > kBytesTogether) {
      todo.emplace_back();
      todo.back().from = i;
      todo.back().view = view;
      bytes = 0;
    }
    todo.back().to = i + 1;
    bytes += inputs[i].size();
  }
  std::deque<Part> under_way;
  std::optional<Error> first;
  while (!todo.empty() || !under_way.empty()) {
    while (!first && !todo.empty() && under_way.size() < kAtOnce) {
      under_way.push_back(std::move(todo.front()));
      todo.pop_front();
      send(ctx, under_way.back(), rows, cancelled);
    }
    if (under_way.empty()) break;
    Part part = std::move(under_way.front());
    under_way.pop_front();
    auto got = answers(ctx, part, rows, [&] { return first.has_value() || cancelled(); });
    if (got) {
      std::ranges::move(*got, out.begin() + static_cast<std::ptrdiff_t>(part.from));
    } else if (each && of_the_rows(got.error().code) && part.to - part.from > 1 && !cancelled()) {
      // One bad row is found by halves: the others are answered.
      const auto middle = part.from + (part.to - part.from) / 2;
      for (const auto& [from, to] : {std::pair(part.from, middle), std::pair(middle, part.to)}) {
        todo.emplace_back();
        todo.back().from = from, todo.back().to = to, todo.back().view = view;
      }
    } else if (each) {
      for (auto i = part.from; i < part.to; ++i) out[i] = {RowAnswer::Kind::failed, got.error().message};
    } else if (!first) {
      first = got.error();
    }
  }
  if (first) return fail(*first);
  return out;
}

}  // namespace tarn::serving
