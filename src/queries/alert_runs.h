#pragma once
// Evaluates alerts: those with a schedule when it is time, older ones when a job's task asks. A schedule's moment and that somebody evaluates it now
// are one commit, and so are an evaluation's result and what is told of it. What a killed server was evaluating is evaluated anew after its start.
// One thread, which owns all decisions; a statement's end is only noted by whoever brings it. Thread-safe.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "queries/objects.h"

namespace tarn::queries {

/// Something to tell of an alert, to one destination or one person.
struct AlertNews {
  std::int64_t workspace_id = 0;
  std::string alert_id, event, destination_id, user_email, subject, text;  // event: triggered or ok
  json::object payload;                                                    // for programs
};

/// What evaluating needs of other rooms. Thread-safe.
class AlertPorts {
 public:
  virtual ~AlertPorts() = default;
  static constexpr std::int64_t kMostRows = 50'000;
  using Done = std::function<void(Expected<AlertRows, std::string>)>;
  /// Runs a statement as the context's identity; its id. `done` is called once, on another thread; results beyond kMostRows are an error.
  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const std::string& text,
                                                   const std::vector<AlertParameter>& parameters, Done done) = 0;
  /// Within the transaction of the evaluation; sent afterwards.
  virtual void tell(store::WriteTxn& t, const AlertNews& news) = 0;
};

class AlertRuns {
 public:
  struct Parts {
    store::Store& store;
    Objects& objects;
    identity::Directory& directory;
    AlertPorts& ports;
    const Clock& clock;
    std::string server_id = "local";
  };
  explicit AlertRuns(Parts parts) : parts_(std::move(parts)), inbox_(std::make_shared<Inbox>()) {}
  ~AlertRuns() { stop(); }

  void start();
  void stop();
  /// What an earlier process of this server was evaluating is due again. start() does it; tests call it by hand.
  void recover();
  /// Takes what is due on the calling thread; false if nothing was.
  bool step();

  struct Older {
    std::string alert_id, warehouse_id;
    std::vector<AlertSubscription> subscriptions;
    bool told = true;  // false: nobody is told
  };
  struct OlderEnd {
    AlertState state = AlertState::UNKNOWN;
    std::string query_text, statement_id;
  };
  using OlderDone = std::function<void(Expected<OlderEnd, std::string>)>;
  /// For a job's task: the statement's id. `done` is called once, on this room's thread (or step()'s).
  Expected<std::string, std::string> evaluate(const access::Context& ctx, const Older& wanted, OlderDone done);

 private:
  struct Ended {
    std::int64_t workspace_id = 0;
    std::string id;
    Expected<AlertRows, std::string> rows;
    std::optional<Older> older;
    Query query;
    OlderDone done;
  };
  /// Outlives this: a statement that ends late finds nobody who looks.
  struct Inbox {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::deque<Ended> ended;
    void put(Ended e);
  };
  bool fire(const AlertV2& due, Millis now);
  void finish(const Ended& e);
  void finish_older(const Ended& e);
  void tell(store::WriteTxn& t, const Place& place, const AlertWords& words, const std::optional<std::string>& subject,
            const std::optional<std::string>& body, const std::vector<AlertSubscription>& to);

  Parts parts_;
  std::shared_ptr<Inbox> inbox_;
  Millis looked_at_ = 0;
  std::jthread thread_;
};

}  // namespace tarn::queries
