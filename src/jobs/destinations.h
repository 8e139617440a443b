#pragma once
// Notification destinations of a workspace: where jobs post to. Kept by workspace administrators, named by everybody's jobs. URLs and passwords are
// sealed and never shown. E-mail destinations need the operator's mail relay. Thread-safe; methods block on the store.
// Source: REST API reference "Notification Destinations", databricks-sdk-go service/settings.
#include "access/caller.h"
#include "jobs/errors.h"
#include "jobs/ports.h"
#include "store/secrets.h"
#include "store/store.h"

namespace tarn::jobs {

struct DestinationConfig {
  std::optional<std::string> url, username, password;
};
BOOST_DESCRIBE_STRUCT(DestinationConfig, (), (url, username, password))
struct EmailConfig {
  std::vector<std::string> addresses;
};
BOOST_DESCRIBE_STRUCT(EmailConfig, (), (addresses))
struct DestinationConfigs {
  std::optional<DestinationConfig> generic_webhook, slack, microsoft_teams;
  std::optional<EmailConfig> email;
  json::value pagerduty;
};
BOOST_DESCRIBE_STRUCT(DestinationConfigs, (), (generic_webhook, slack, microsoft_teams, email, pagerduty))
struct DestinationRequest {
  std::optional<std::string> display_name;
  std::optional<DestinationConfigs> config;
};
BOOST_DESCRIBE_STRUCT(DestinationRequest, (), (display_name, config))

struct DestinationRecord {
  std::int64_t workspace_id = 0;
  std::string id, display_name, type, username;  // type: WEBHOOK, SLACK, MICROSOFT_TEAMS, EMAIL
  bool has_password = false;
  std::vector<std::string> addresses;  // of an EMAIL
  std::string store_key() const { return store::key({store::sortable(workspace_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(DestinationRecord, (), (workspace_id, id, display_name, type, username, has_password, addresses))
inline constexpr store::Collection<DestinationRecord> destinations_table{"jobs.destination"};

class Destinations {
 public:
  /// `sender` judges URLs; null: none is judged. `mails`: whether e-mail can be sent.
  Destinations(store::Store& store, const crypto::Keyring& keys, WebhookSender* sender, bool mails = false)
      : store_(store), sealed_(keys), sender_(sender), mails_(mails) {}

  // invalid (also a destination that does not exist), not_enabled (e-mail without a relay, PagerDuty).
  Result<DestinationRecord> create(const access::Context& ctx, const DestinationRequest& request);
  Result<DestinationRecord> get(const access::Context& ctx, const std::string& id);
  std::vector<DestinationRecord> list(const access::Context& ctx);
  Result<DestinationRecord> update(const access::Context& ctx, const std::string& id, const DestinationRequest& request);
  Result<void> remove(const access::Context& ctx, const std::string& id);

  bool exists(std::int64_t workspace_id, const std::string& id);
  struct Address {
    std::string type, url, username, password;
    std::vector<std::string> addresses;
  };
  std::optional<Address> address(std::int64_t workspace_id, const std::string& id);
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

 private:
  /// The one kind that a request configures.
  struct Judged {
    std::string type;
    DestinationConfig hook;
    std::vector<std::string> addresses;
  };
  Result<Judged> judged(const DestinationConfigs& config);
  void seal(store::WriteTxn& t, DestinationRecord& r, const Judged& what);
  store::Store& store_;
  const store::Secrets sealed_;
  WebhookSender* sender_;
  const bool mails_;
};

}  // namespace tarn::jobs
