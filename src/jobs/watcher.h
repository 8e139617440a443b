#pragma once
// Triggers that look: tables that change, files that arrive. On a thread of its own, for looking may block. What a look finds and the run that it
// starts are one commit each: a change fires once, however often the server is killed. The first look only learns what is there.
// Source: REST API reference "Jobs", trigger.file_arrival and trigger.table_update.
#include "base/repeating.h"
#include "identity/directory.h"
#include "jobs/ports.h"
#include "jobs/records.h"

namespace tarn::jobs {

class Watcher {
 public:
  struct Parts {
    store::Store& store;
    identity::Directory& directory;
    const Clock& clock;
    Watched& watched;
    std::string server_id = "local";
    std::function<void()> fired;  // a run was made
    std::chrono::milliseconds every{3000};
  };
  explicit Watcher(Parts parts) : parts_(std::move(parts)) {}
  void start();
  void stop() { turns_.stop(); }
  /// One look at every trigger that is due one, on the calling thread.
  void look();

 private:
  void look_at(const JobRecord& job);
  Parts parts_;
  Repeating turns_;  // last: it uses all of the above
};

}  // namespace tarn::jobs
