#pragma once
// Cluster libraries (/api/2.0/libraries): wheels of workspace files and volumes, packages of an index, installed on every node of a cluster, now
// and whenever one starts. Their statuses are what the nodes said. What was asked to go stays until the cluster restarts, as the vendor has it.
//
// Nodes install; this room fetches files as the one who asked for them, hands them over in parts, and keeps states. One thread of its own
// fetches and sends. Thread-safe. Source: REST API reference "Managed Libraries", databricks-sdk-go service/compute.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "compute/clusters.h"

namespace tarn::compute {

struct PypiLibrary {
  std::optional<std::string> package, repo;
};
BOOST_DESCRIBE_STRUCT(PypiLibrary, (), (package, repo))

/// One of them is set. Those that this platform cannot install are there so that they are refused by name.
struct Library {
  std::optional<std::string> whl, jar, egg, requirements;
  std::optional<PypiLibrary> pypi;
  json::value maven, cran;
};
BOOST_DESCRIBE_STRUCT(Library, (), (whl, jar, egg, requirements, pypi, maven, cran))

enum class LibraryState { PENDING, RESOLVING, INSTALLING, INSTALLED, SKIPPED, FAILED, UNINSTALL_ON_RESTART };
BOOST_DESCRIBE_ENUM(LibraryState, PENDING, RESOLVING, INSTALLING, INSTALLED, SKIPPED, FAILED, UNINSTALL_ON_RESTART)

struct LibraryStatus {
  Library library;
  LibraryState status = LibraryState::PENDING;
  std::vector<std::string> messages;
};

/// What libraries come from. Called without locks held, on the room's thread (or a caller's, for `check_index`).
class LibrarySource {
 public:
  virtual ~LibrarySource() = default;
  /// The bytes of /Workspace/… or /Volumes/…, as this principal may read them. The error is a text for people.
  virtual Expected<std::string, std::string> file(std::int64_t workspace_id, std::int64_t principal_id, const std::string& path) = 0;
  /// Why nodes may not be sent to this index: no https, an address that only this machine or network reaches. Nothing: they may.
  virtual std::optional<std::string> refused_index(const std::string& url) = 0;
};

class Libraries final : public NodeLibraries {
 public:
  struct Options {
    std::string index = "https://pypi.org/simple";  // of the operator's choice: any address
  };
  Libraries(store::Store& store, Clusters& clusters, LibrarySource& source, const Clock& clock, Options options);
  ~Libraries() override { stop(); }

  // Errors of all: invalid (also an unknown cluster), permission_denied, not_enabled (a kind that cannot be installed here).
  Result<void> install(const access::Context& ctx, const std::string& cluster_id, const std::vector<Library>& libraries);    // CAN_MANAGE
  Result<void> uninstall(const access::Context& ctx, const std::string& cluster_id, const std::vector<Library>& libraries);  // CAN_MANAGE
  Result<std::vector<LibraryStatus>> status(const access::Context& ctx, const std::string& cluster_id);                      // CAN_ATTACH_TO
  /// Of the clusters that the caller may see, by id.
  std::map<std::string, std::vector<LibraryStatus>> all(const access::Context& ctx);

  void start();
  void stop();
  /// Takes what waits on the calling thread; false if nothing did. What the thread does; tests drive it by hand.
  bool step();

  // NodeLibraries
  void up(const ClusterRecord& cluster, const std::string& instance_id) override;
  void said(const ClusterRecord& cluster, const std::string& instance_id, const json::object& message) override;
  void restarted(store::WriteTxn& t, const ClusterRecord& cluster) override;
  void gone(store::WriteTxn& t, const ClusterRecord& cluster) override;

 private:
  struct Order {
    std::string cluster_id, instance_id;
  };
  void wake(Order order);
  bool deliver(const Order& order);
  void run(std::stop_token stop);

  store::Store& store_;
  Clusters& clusters_;
  LibrarySource& source_;
  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Order> waiting_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace tarn::compute
