#pragma once
// What jobs have from outside of the jobs room: marks of tables and files that a trigger looks at, commits of Git repositories, and the way to
// webhooks. Each acts as the run's identity, and reaches public addresses only unless the operator lists a host.
#include <deque>

#include "catalog/service.h"
#include "delta/log.h"
#include "files/volumes.h"
#include "jobs/ports.h"
#include "repos/credentials.h"

namespace tarn::app {

class JobWatched final : public jobs::Watched {
 public:
  JobWatched(catalog::UnityCatalog& catalog, delta::DeltaLog& log, objects::ObjectStore& objects, files::VolumeDirectory& volumes)
      : catalog_(catalog), log_(log), objects_(objects), volumes_(volumes) {}
  Expected<std::string, std::string> table_mark(const access::Context& ctx, const std::string& full_name) override;
  Expected<std::string, std::string> files_mark(const access::Context& ctx, const std::string& url, const std::string& before) override;

 private:
  catalog::UnityCatalog& catalog_;
  delta::DeltaLog& log_;
  objects::ObjectStore& objects_;
  files::VolumeDirectory& volumes_;
};

/// Fetches on a thread of its own, one after another; the checkouts live in memory's care until they are dropped, their bytes in scratch folders.
class JobGit final : public jobs::GitWork {
 public:
  JobGit(repos::Git& git, repos::Targets& targets, repos::Credentials& credentials) : git_(git), targets_(targets), credentials_(credentials) {}
  ~JobGit() override { stop(); }
  void start();
  void stop();
  void fetch(const access::Context& ctx, const Wanted& wanted, std::function<void(Expected<std::string, std::string>)> done) override;
  Expected<jobs::WorkspaceFiles::File, std::string> read(const std::string& key, const std::string& path) override;
  void drop(const std::string& key) override;

 private:
  struct Order {
    access::Context ctx;
    Wanted wanted;
    std::function<void(Expected<std::string, std::string>)> done;
  };
  Expected<std::string, std::string> check_out(const Order& order);
  repos::Git& git_;
  repos::Targets& targets_;
  repos::Credentials& credentials_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Order> orders_;
  std::map<std::string, std::shared_ptr<repos::Checkout>> held_;
  std::jthread thread_;  // last
};

class JobWebhooks final : public jobs::WebhookSender {
 public:
  /// `allowed`: HOST or HOST:PORT inside the operator's network, which may have any address and may speak plain HTTP.
  explicit JobWebhooks(std::vector<std::string> allowed) : targets_(std::move(allowed)) {}
  Answer post(const std::string& url, const std::string& user, const std::string& password, const std::string& body) override;
  std::optional<std::string> check(const std::string& url) override;

 private:
  repos::Targets targets_;
};

}  // namespace tarn::app
