#pragma once
// ai_query: a compiled statement holds a token wherever it asks a model; the engine's process sends the token back with the inputs, and they are
// asked as the caller that the token was made for. A token is unguessable and lasts as long as the compiled statement. Thread-safe.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "access/caller.h"
#include "base/ids.h"
#include "engine/engine.h"

namespace tarn::sql {

/// The models that SQL may ask, as this room sees them. Errors are texts for people.
class Models {
 public:
  virtual ~Models() = default;
  /// The SQL type of a model's answer to one row.
  virtual Expected<std::string, std::string> type_of(const access::Context& ctx, const std::string& endpoint) = 0;
  virtual Expected<std::vector<engine::Answer>, std::string> ask(const access::Context& ctx, const engine::Question& question,
                                                                 const std::function<bool()>& ends) = 0;
};

class Questions {
 public:
  /// `models` must outlive this.
  explicit Questions(Models& models) : models_(models) {}

  struct Admission {
    std::string token;
    std::shared_ptr<const void> held;  // the token's life
  };
  Admission admit(const access::Context& ctx) {
    auto token = new_hex(32);
    {
      std::lock_guard lock(admitted_->mutex);
      admitted_->by_token[token] = std::make_shared<const access::Context>(ctx);
    }
    std::shared_ptr<const void> held(static_cast<const void*>(this), [admitted = admitted_, token](const void*) {
      std::lock_guard lock(admitted->mutex);
      admitted->by_token.erase(token);
    });
    return {std::move(token), std::move(held)};
  }

  Expected<std::string, std::string> type_of(const access::Context& ctx, const std::string& endpoint) {
    auto out = models_.type_of(ctx, endpoint);
    if (out) return out;
    return fail(
        fmt::format("[AI_FUNCTION_MODEL_SCHEMA_PARSE_ERROR] Failed to parse the schema for the serving endpoint \"{}\": {} Set the returnType "
                    "parameter manually in the AI_QUERY function to override schema resolution. SQLSTATE: 2203G",
                    endpoint, out.error()));
  }

  /// engine::Answerer.
  Expected<std::vector<engine::Answer>, std::string> answer(const engine::Question& question, const std::function<bool()>& ends) {
    std::shared_ptr<const access::Context> who;
    {
      std::lock_guard lock(admitted_->mutex);
      const auto i = admitted_->by_token.find(question.token);
      if (i != admitted_->by_token.end()) who = i->second;
    }
    if (!who) return fail(std::string("[UNSUPPORTED_FEATURE] ai_query cannot be asked here. SQLSTATE: 0A000"));
    auto out = models_.ask(*who, question, ends);
    if (out) return out;
    return fail("[AI_FUNCTION_HTTP_REQUEST_ERROR] Error occurred while making an HTTP request for function ai_query: " + out.error() +
                " SQLSTATE: 08000");
  }

 private:
  struct Admitted {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const access::Context>> by_token;
  };
  Models& models_;
  std::shared_ptr<Admitted> admitted_ = std::make_shared<Admitted>();
};

}  // namespace tarn::sql
