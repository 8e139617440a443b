#include "app/quality_room.h"

#include "app/mailer.h"

namespace tarn::app {
namespace {

/// A statement's rows, in memory.
class TextRows final : public sql::ResultSink {
 public:
  void schema(std::vector<sql::ResultColumn>) override {}
  bool chunk(std::string content, std::int64_t) override {
    const auto v = json::parse(content);
    if (!v || !v->is_array()) return false;
    for (const auto& r : v->get_array()) {
      auto& row = rows.emplace_back();
      for (const auto& cell : r.as_array()) row.push_back(cell.is_string() ? std::optional<std::string>(cell.get_string()) : std::nullopt);
    }
    return true;
  }
  quality::Rows rows;
};

constexpr std::int64_t kRefreshStatement = 3'600'000;  // milliseconds

}  // namespace

QualityRoom::QualityRoom(store::Store& store, catalog::Catalog& catalog, identity::Directory& directory, sql::Executor& executor, const Clock& clock,
                         jobs::MailSender* mail, std::string server_id)
    : monitors(
          store, catalog, directory, clock,
          [&executor](const access::Context& ctx, const std::string& sql, std::stop_token stop) -> Expected<quality::Rows, std::string> {
            engine::CancelToken cancel;
            const std::stop_callback ends(stop, [&] { cancel.cancel(); });
            TextRows sink;
            sql::Session session{.ctx = ctx};
            session.statement_id = ctx.request_id;
            session.cancel = &cancel;
            const auto done = executor.run(session, sql, {.timeout_ms = kRefreshStatement}, sink);
            if (!done) return fail(done.error().message);
            return std::move(sink.rows);
          },
          mail_through(mail), std::move(server_id)) {}

}  // namespace tarn::app
