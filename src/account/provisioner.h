#pragma once
// Brings workspaces up and down: a durable state machine in the store, driven by one background thread.
//
//   PROVISIONING: storage -> network -> launch -> RUNNING, or FAILED with workspace_status_message
//   CANCELLING:   release -> gone
//
// Each step is one transaction that checks that it is still due, so a server that is killed resumes where it stood, and several servers on
// one store do not disturb each other. What a step asks of others outside the store (bucket, cloud) happens before its transaction and may
// be asked again. Thread-safe.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "account/settings.h"
#include "account/workspaces.h"
#include "identity/directory.h"
#include "store/store.h"

namespace tarn::account {

class Provisioner {
 public:
  /// All must outlive this; `storage` and `inventory` may be null (their questions are then not asked).
  struct Parts {
    store::Store& store;
    identity::WorkspacePrincipals& principals;
    RegionMetastore& metastore;
    RootStorage* storage = nullptr;
    VpcInventory* inventory = nullptr;
  };
  Provisioner(Parts parts, Settings settings);
  /// Stops and joins; steps that are due stay due in the store.
  ~Provisioner();
  Provisioner(const Provisioner&) = delete;

  void start();
  void stop();
  /// A workspace has work: look now rather than at the next look (every 500 ms if the store changed).
  void wake();

  /// Takes one due step of one workspace on the calling thread; false if none is due. What the thread does; tests drive it by hand.
  bool step();

 private:
  bool storage_step(std::int64_t id);
  bool network_step(std::int64_t id);
  bool launch_step(std::int64_t id);
  bool release_step(std::int64_t id);
  void unexpected(std::int64_t id, const std::string& what);
  void run(std::stop_token stop);

  Parts parts_;
  const Settings settings_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  std::atomic<bool> retry_ = false;  // a step threw and is still due
  std::jthread thread_;
};

}  // namespace tarn::account
