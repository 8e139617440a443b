#pragma once
// What `tarn review` is told, as one YAML file (docs/guides/review.md shows a whole one). Unknown keys are errors; secrets are never in the file
// but in files that it names, which only their owner may read.
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tarn::review {

enum class ForgeKind { gitea, gitlab };
BOOST_DESCRIBE_ENUM(ForgeKind, gitea, gitlab)

/// How a kind of unit that is not a folder of Tarn's YAML is planned and applied. Each is one command, run in the unit's folder of a clean
/// checkout; `/out` is the folder that outlives it.
struct WorkflowSpec {
  std::string name;
  std::vector<std::string> plan;       // leaves /out/plan; exit 0
  std::vector<std::string> show;       // prints /out/plan for people
  std::vector<std::string> show_json;  // prints /out/plan as `tofu show -json` does: what decides whether two plans are the same
  std::vector<std::string> apply;      // carries out /out/plan
  std::vector<std::string> prepare;    // before each of them, once a checkout (init)
};
BOOST_DESCRIBE_STRUCT(WorkflowSpec, (), (name, plan, show, show_json, apply, prepare))

struct UnitSpec {
  std::string name, path;               // a folder, relative to the repository's root
  std::optional<std::string> workflow;  // none: a folder of Tarn's YAML
  std::vector<std::string> watch;       // further paths (with * and **) whose change touches the unit
};
BOOST_DESCRIBE_STRUCT(UnitSpec, (), (name, path, workflow, watch))

struct DriftSpec {
  std::int64_t every_minutes = 0;
  std::optional<std::int64_t> comment_on;  // a standing issue that gets the report as a comment; none: an issue of its own for each unit
};
BOOST_DESCRIBE_STRUCT(DriftSpec, (), (every_minutes, comment_on))

struct RepositorySpec {
  ForgeKind forge = ForgeKind::gitea;
  std::string url;         // of the forge: https://git.acme.example
  std::string repository;  // OWNER/NAME, or a GitLab path with more groups
  std::string token_file, webhook_secret_file;
  std::optional<std::string> branch, ca_file, clone_url;
  std::optional<std::int64_t> approvals;
  std::optional<bool> automerge;
  std::optional<DriftSpec> drift;
  std::vector<UnitSpec> units;

  std::string main() const { return branch.value_or("main"); }
  std::string clone() const { return clone_url.value_or(url + "/" + repository + ".git"); }
};
BOOST_DESCRIBE_STRUCT(RepositorySpec, (),
                      (forge, url, repository, token_file, webhook_secret_file, branch, ca_file, clone_url, approvals, automerge, drift, units))

/// The platform that is changed and the one principal that changes it.
struct TargetSpec {
  std::optional<std::string> data;  // the folder of a running Tarn, instead of all that follows
  std::optional<std::string> host, account_id, client_id, client_secret_file, proxy, ca_file, domain;
};
BOOST_DESCRIBE_STRUCT(TargetSpec, (), (data, host, account_id, client_id, client_secret_file, proxy, ca_file, domain))

/// Where Terraform's states are. Without key files a Tarn (target.data) lends credentials for it.
struct StateBucketSpec {
  std::string bucket, region;
  std::optional<std::string> access_key_id_file, secret_access_key_file;
};
BOOST_DESCRIBE_STRUCT(StateBucketSpec, (), (bucket, region, access_key_id_file, secret_access_key_file))

struct SandboxSpec {
  std::vector<std::string> read_only;                // further folders and files that commands may read, at the same path
  std::vector<std::string> writable_by_apply;        // the same, written by approved applies only (a state folder); plans read them
  std::map<std::string, std::string> environment;    // further variables of commands; never a secret
  std::map<std::string, std::string> apply_secrets;  // variable -> file: what only approved applies are given
  std::vector<std::string> allow_hosts;              // what the proxy lets commands reach as it is, without credentials (a provider mirror)
  std::optional<std::int64_t> plan_minutes, apply_minutes, output_kb, memory_mb, disk_mb;
  std::optional<std::string> user;  // whom commands run as where the service is root
  std::optional<StateBucketSpec> state_bucket;
};
BOOST_DESCRIBE_STRUCT(SandboxSpec, (),
                      (read_only, writable_by_apply, environment, apply_secrets, allow_hosts, plan_minutes, apply_minutes, output_kb, memory_mb,
                       disk_mb, user, state_bucket))

/// The webhooks' own TLS. Without it they speak plain HTTP: for loopback, or behind a proxy that terminates TLS.
struct TlsSpec {
  std::string certificate_file, key_file;  // PEM; the certificate with its chain. Read again when they change
};
BOOST_DESCRIBE_STRUCT(TlsSpec, (), (certificate_file, key_file))

struct Config {
  std::string state;                  // folder of the service: its store, git mirrors, keys
  std::optional<std::string> listen;  // ADDRESS:PORT of the webhooks
  std::optional<TlsSpec> tls;
  TargetSpec target;
  std::optional<SandboxSpec> sandbox;
  std::vector<WorkflowSpec> workflows;
  std::vector<RepositorySpec> repositories;

  const RepositorySpec* repository(std::string_view name) const;
  const WorkflowSpec* workflow(std::string_view name) const;
};
BOOST_DESCRIBE_STRUCT(Config, (), (state, listen, tls, target, sandbox, workflows, repositories))

/// Reads and checks a file; the error is a text for people, all problems of it, one a line.
Expected<Config, std::string> load_config(const std::string& file);
Expected<Config, std::string> parse_config(const std::string& yaml, const std::string& file);

/// The first line of a file that nobody but its owner may read; the error names the file.
Expected<std::string, std::string> read_secret(const std::string& file);

/// Whether a change of `path` touches the unit.
bool touches(const UnitSpec& unit, std::string_view path);
/// `*` within a folder's name, `**` across folders.
bool glob_matches(std::string_view pattern, std::string_view path);

}  // namespace tarn::review
