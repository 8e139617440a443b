#include "review/plan_text.h"

#include "base/crypto.h"
#include "base/json_read.h"

namespace tarn::review {
namespace {

/// Members in order of their names, at every depth: equal documents have equal texts.
json::value sorted(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const auto& x : v.as_array()) out.push_back(sorted(x));
    return out;
  }
  if (!v.is_object()) return v;
  std::map<std::string, json::value> members;
  for (const auto& kv : v.as_object()) members.emplace(std::string(kv.key()), sorted(kv.value()));
  json::object out;
  for (auto& [name, value] : members) out[name] = std::move(value);
  return out;
}

std::string counted(int create, int change, int remove, int unmanaged) {
  std::string out = fmt::format("{} to create, {} to change, {} to delete", create, change, remove);
  if (unmanaged) out += fmt::format(", {} not in the code", unmanaged);
  return out;
}

}  // namespace

std::string summary_of(const platform::Plan& plan) {
  int counts[4] = {};
  for (const auto& c : plan.changes) ++counts[static_cast<int>(c.action)];
  return plan.clean() ? "no changes" : counted(counts[0], counts[1], counts[2], counts[3]);
}

std::string digest_of(const platform::Plan& plan) {
  json::array changes;
  for (auto c : plan.changes) {
    c.place.clear();
    changes.push_back(sorted(json::encode(c)));
  }
  return crypto::to_hex(crypto::sha256(boost::json::serialize(changes)));
}

std::string text_of(const platform::Plan& plan, const Mask& mask) {
  using platform::Action;
  std::string out;
  for (const auto& c : plan.changes) {
    const char sign = c.action == Action::create ? '+' : c.action == Action::update ? '!' : c.action == Action::delete_ ? '-' : '#';
    out += fmt::format("{} {}{}\n", sign, c.address(), c.place.empty() ? "" : "  (" + c.place + ")");
    const auto before = mask.document(c.before), after = mask.document(c.after);
    if (c.action == Action::create && after.is_object())
      for (const auto& entry : after.as_object())
        if (!(entry.value().is_string() && entry.value().as_string().empty()))
          out += fmt::format("+     {}: {}\n", std::string_view(entry.key()), platform::shown(entry.value()));
    for (const auto& name : c.fields) {
      const auto *was = json::find(before, {name}), *will = json::find(after, {name});
      out += fmt::format("!     {}: {} -> {}\n", name, was ? platform::shown(*was) : "(none)", will ? platform::shown(*will) : "(none)");
    }
  }
  return mask.text(out);
}

Expected<TerraformPlan, std::string> read_terraform_plan(std::string_view text) {
  const auto v = json::parse(text);
  if (!v || !v->is_object()) return fail(std::string("what show_json printed is not a plan in JSON"));
  if (!json::find(*v, {"format_version"})) return fail(std::string("what show_json printed has no format_version"));
  json::array acted;
  int create = 0, change = 0, remove = 0;
  if (const auto* changes = json::find(*v, {"resource_changes"}); changes && changes->is_array()) {
    for (const auto& r : changes->as_array()) {
      std::set<std::string> actions;
      if (const auto* list = json::find(r, {"change", "actions"}); list && list->is_array())
        for (const auto& a : list->as_array()) actions.insert(json::text_of(&a));
      if (actions == std::set<std::string>{"no-op"} || actions == std::set<std::string>{"read"}) continue;
      create += actions.contains("create");
      change += actions.contains("update");
      remove += actions.contains("delete");
      json::object kept;
      for (const char* name : {"address", "mode", "type", "name", "provider_name", "change", "deposed"})
        if (const auto* found = json::find(r, {name})) kept[name] = *found;
      acted.push_back(sorted(kept));
    }
  }
  json::object outputs;
  if (const auto* all = json::find(*v, {"output_changes"}); all && all->is_object())
    for (const auto& kv : all->as_object()) {
      const auto* actions = json::find(kv.value(), {"actions"});
      if (actions && boost::json::serialize(*actions) != R"(["no-op"])") outputs[kv.key()] = sorted(kv.value());
    }
  TerraformPlan out;
  out.changes = !acted.empty() || !outputs.empty();
  out.summary =
      acted.empty() ? (outputs.empty() ? "no changes" : fmt::format("{} outputs to change", outputs.size())) : counted(create, change, remove, 0);
  out.digest = crypto::to_hex(crypto::sha256(boost::json::serialize(json::object{{"resources", acted}, {"outputs", sorted(outputs)}})));
  return out;
}

std::string as_diff(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    const auto sign = line.find_first_not_of(' ');
    const auto rest = sign == line.npos ? std::string_view() : line.substr(sign);
    const char mark = rest.starts_with("-/+ ") || rest.starts_with("+/- ") || rest.starts_with("~ ") ? '!'
                      : rest.starts_with("+ ")                                                       ? '+'
                      : rest.starts_with("- ")                                                       ? '-'
                                                                                                     : 0;
    if (mark) {
      out += mark;
      out += line;
    } else {
      out += ' ';
      out += line;
    }
    out += '\n';
    at = end + 1;
  }
  return out;
}

}  // namespace tarn::review
