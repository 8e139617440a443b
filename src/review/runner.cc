#include "review/runner.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "review/credential_proxy.h"
#include "review/plan_text.h"
#include "review/sandbox.h"

namespace tarn::review {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAuthorityInside = "/etc/tarn-review-ca.pem";
constexpr std::size_t kMostArtifact = 64u << 20;

/// A folder of one run, gone with it.
struct Scratch {
  fs::path path;
  explicit Scratch(const std::string& below) : path(fs::path(below) / ("run-" + new_hex(8))) {
    fs::create_directories(path / "root");
    fs::create_directories(path / "out");
    fs::permissions(path, fs::perms::owner_all);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

void give(const fs::path& path, uid_t uid, gid_t gid) {
  if (::lchown(path.c_str(), uid, gid) != 0) throw std::runtime_error("chown " + path.string() + ": " + std::strerror(errno));
}

/// A file that the sandbox may have written: never through a link, never a device, never without end.
std::optional<std::string> read_result(const fs::path& folder, const char* name) {
  const int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return std::nullopt;
  const int fd = ::openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  ::close(dir);
  if (fd < 0) return std::nullopt;
  struct stat info {};
  std::optional<std::string> out;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= static_cast<off_t>(kMostArtifact)) {
    out.emplace();
    char block[65536];
    for (ssize_t n; (n = ::read(fd, block, sizeof block)) > 0 && out->size() <= kMostArtifact;) out->append(block, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return out;
}

std::string last_part(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  const auto line = text.find('\n', text.size() - most);
  return "…\n" + text.substr(line == text.npos ? text.size() - most : line + 1);
}

class SandboxRunner final : public Runner {
 public:
  SandboxRunner(const Config& config, Principal& principal, Mask& mask, std::function<bool()> cancelled)
      : config_(config),
        sandbox_(config.sandbox.value_or(SandboxSpec{})),
        principal_(principal),
        mask_(mask),
        cancelled_(std::move(cancelled)),
        runs_(config.state + "/runs") {
    std::error_code ignored;
    fs::remove_all(runs_, ignored);  // of a service that was killed
    fs::create_directories(runs_);
    fs::permissions(runs_, fs::perms::owner_all);
    if (::geteuid() == 0) {
      const auto name = sandbox_.user.value_or("nobody");
      const passwd* who = ::getpwnam(name.c_str());
      if (!who || who->pw_uid == 0) throw std::runtime_error("sandbox.user '" + name + "' must be a user that is not root");
      uid_ = who->pw_uid;
      gid_ = who->pw_gid;
    }
  }

  UnitPlan plan(const UnitSpec& unit, const std::string& checkout) override {
    Scratch scratch(runs_);
    return guarded<UnitPlan>([&] { return unit.workflow ? plan_commands(unit, checkout, scratch) : plan_tarn(unit, checkout, scratch, "plan"); });
  }
  UnitPlan drift(const UnitSpec& unit, const std::string& checkout) override {
    Scratch scratch(runs_);
    return guarded<UnitPlan>([&] { return unit.workflow ? plan_commands(unit, checkout, scratch) : plan_tarn(unit, checkout, scratch, "drift"); });
  }
  UnitApply apply(const UnitSpec& unit, const std::string& checkout, const std::string& artifact, const std::string& digest) override {
    Scratch scratch(runs_);
    return guarded<UnitApply>(
        [&] { return unit.workflow ? apply_commands(unit, checkout, digest, scratch) : apply_tarn(unit, checkout, artifact, scratch); });
  }

 private:
  template <class T, class F>
  T guarded(F f) {
    try {
      return f();
    } catch (const std::exception& e) {
      T out;
      out.text = mask_.text(e.what());
      out.summary = "failed";
      return out;
    }
  }

  ChildResult command(const UnitSpec& unit, const std::string& checkout, const Scratch& scratch, std::vector<std::string> argv, Reach reach) {
    const auto target = principal_.target();
    if (!target) throw std::runtime_error(target.error());
    if (auto token = principal_.bearer()) {
      mask_.learn(*token);
    } else {
      throw std::runtime_error(token.error());
    }
    mask_.learn(target->client_secret);
    gateway::Authority authority(config_.state + "/tls/" + target->domain, target->domain);
    SandboxRun run{.root = (scratch.path / "root").string(), .command = std::move(argv), .folder = "/repo/" + unit.path};
    run.memory_mb = sandbox_.memory_mb.value_or(4096);
    run.disk_mb = sandbox_.disk_mb.value_or(2048);
    run.file_mb = run.disk_mb;
    if (::geteuid() == 0) {
      run.uid = uid_;
      run.gid = gid_;
      give(scratch.path / "out", uid_, gid_);
    }
    run.mounts = own_program();
    run.mounts.push_back({authority.ca_path(), kAuthorityInside, false});
    for (const auto& path : sandbox_.read_only) run.mounts.push_back({path, path, false});
    for (const auto& path : sandbox_.writable_by_apply) run.mounts.push_back({path, path, reach == Reach::write});
    run.mounts.push_back({checkout, "/repo", true});
    run.mounts.push_back({(scratch.path / "out").string(), "/out", true});
    run.environment = environment(*target, reach);
    std::unique_ptr<CredentialProxy> proxy;
    auto result = run_sandboxed(
        run, static_cast<int>(60 * (reach == Reach::write ? sandbox_.apply_minutes.value_or(60) : sandbox_.plan_minutes.value_or(15))),
        static_cast<std::size_t>(sandbox_.output_kb.value_or(4096)) << 10,
        [&](int listening) {
          std::shared_ptr<S3Signer> state;
          if (const auto& b = sandbox_.state_bucket) state = std::make_shared<S3Signer>(*b, config_.target.data, principal_, reach == Reach::write);
          proxy = std::make_unique<CredentialProxy>(principal_, authority, target->domain, reach, sandbox_.allow_hosts, std::move(state));
          if (auto started = proxy->start(listening); !started) spdlog::error("proxy: {}", started.error());
        },
        cancelled_);
    proxy.reset();
    if (result.exit_code == kSandboxFailed && result.err.starts_with("sandbox: ")) throw std::runtime_error(result.err);
    if (result.timed_out) result.err += "\nstopped: it took too long\n";
    return result;
  }

  std::vector<std::string> environment(const Target& t, Reach reach) const {
    const std::string proxy = fmt::format("http://127.0.0.1:{}", kSandboxProxyPort);
    std::map<std::string, std::string> set{{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                           {"HOME", "/tmp"},
                                           {"TMPDIR", "/tmp"},
                                           {"LC_ALL", "C.UTF-8"},
                                           {"NO_COLOR", "1"},
                                           {"NO_PROXY", ""},
                                           {"no_proxy", ""},
                                           {"DATABRICKS_HOST", t.host},
                                           {"DATABRICKS_ACCOUNT_ID", t.account_id},
                                           {"DATABRICKS_CLIENT_ID", t.client_id},
                                           {"DATABRICKS_CLIENT_SECRET", std::string(kNoSecret)},
                                           {"TF_IN_AUTOMATION", "1"},
                                           {"TF_INPUT", "0"},
                                           {"CHECKPOINT_DISABLE", "1"},
                                           {"TERRAGRUNT_NON_INTERACTIVE", "true"}};
    for (const char* name : {"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"}) set[name] = proxy;
    for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"})
      set[name] = kAuthorityInside;
    if (const auto& b = sandbox_.state_bucket) {
      set["AWS_ACCESS_KEY_ID"] = set["AWS_SECRET_ACCESS_KEY"] = kNoSecret;
      set["AWS_REGION"] = b->region;
    }
    for (const auto& [name, value] : sandbox_.environment) set[name] = value;
    if (reach == Reach::write)
      for (const auto& [name, file] : sandbox_.apply_secrets) {
        auto secret = read_secret(file);
        if (!secret) throw std::runtime_error(secret.error());
        mask_.learn(*secret);
        set[name] = *secret;
      }
    std::vector<std::string> out;
    for (const auto& [name, value] : set) out.push_back(name + "=" + value);
    return out;
  }

  void hand_over(const std::string& checkout) const {
    if (::geteuid() != 0) return;
    give(checkout, uid_, gid_);
    for (auto i = fs::recursive_directory_iterator(checkout); i != fs::recursive_directory_iterator(); ++i) give(i->path(), uid_, gid_);
  }

  // Units that are folders of Tarn's YAML.

  static std::string own_binary() { return fs::read_symlink("/proc/self/exe").string(); }

  UnitPlan plan_tarn(const UnitSpec& unit, const std::string& checkout, const Scratch& scratch, const char* verb) {
    hand_over(checkout);
    const auto r = command(unit, checkout, scratch, {own_binary(), verb, "--json", "--out", "/out/plan.json", "."}, Reach::read);
    UnitPlan out;
    if (r.exit_code != 0 && r.exit_code != 2) {
      out.summary = "failed";
      out.text = mask_.text(complaint(r));
      return out;
    }
    const auto saved = read_result(scratch.path / "out", "plan.json");
    auto plan = saved ? json::decode_text<platform::Plan>(*saved, {.unknown = json::Unknown::refuse, .absent = json::Absent::keep})
                      : json::Decoded<platform::Plan>(fail(json::DecodeError{"", "was not written"}));
    if (!plan) {
      out.summary = "failed";
      out.text = mask_.text("The plan " + plan.error().message());
      return out;
    }
    out.ok = true;
    out.changes = !plan->clean();
    out.summary = summary_of(*plan);
    out.text = text_of(*plan, mask_);
    out.artifact = json::encode_text(*plan);  // what is shown is what is kept: the text above is made of this very plan
    out.digest = digest_of(*plan);
    return out;
  }

  static std::string complaint(const ChildResult& r) {
    const auto v = json::parse(r.out);
    if (v && v->is_object()) {
      if (const auto* problems = v->as_object().if_contains("problems"); problems && problems->is_array()) {
        std::string all;
        for (const auto& p : problems->as_array()) {
          const auto* line = p.is_object() ? p.as_object().if_contains("line") : nullptr;
          const auto text = [&](const char* name) {
            return p.is_object() && p.as_object().contains(name) && p.at(name).is_string() ? std::string(p.at(name).as_string()) : "";
          };
          all += fmt::format("{}:{}: {}\n", text("file"), line && line->is_int64() ? line->as_int64() : 0, text("message"));
        }
        return all;
      }
      if (const auto* error = v->as_object().if_contains("error"); error && error->is_string()) return std::string(error->as_string());
    }
    return last_part(r.out + r.err, 8000);
  }

  UnitApply apply_tarn(const UnitSpec& unit, const std::string& checkout, const std::string& artifact, const Scratch& scratch) {
    hand_over(checkout);
    const int fd = ::open((scratch.path / "out/plan.json").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    std::string_view rest = artifact;
    while (fd >= 0 && !rest.empty()) {
      const auto n = ::write(fd, rest.data(), rest.size());
      if (n <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    if (fd >= 0) ::close(fd);
    if (!rest.empty()) throw std::runtime_error("Cannot write the plan");
    const auto r = command(unit, checkout, scratch, {own_binary(), "apply", "--json", "/out/plan.json"}, Reach::write);
    UnitApply out;
    out.ok = r.exit_code == 0;
    std::size_t at = 0;
    while (at < r.out.size()) {
      const auto end = std::min(r.out.find('\n', at), r.out.size());
      const auto v = json::parse(std::string_view(r.out).substr(at, end - at));
      at = end + 1;
      if (!v || !v->is_object()) continue;
      const auto& o = v->as_object();
      const auto text = [&](const char* name) {
        const auto* f = o.if_contains(name);
        return f && f->is_string() ? std::string(f->as_string()) : std::string();
      };
      if (text("state") == "done") out.text += "+ " + text("address") + "\n";
      if (text("state") == "held") out.text += "  " + text("address") + "  already so\n";
      if (text("state") == "note") out.text += "      " + text("note") + "\n";
      if (!text("error").empty()) out.text += "- error: " + text("error") + "\n";
      if (o.contains("done") && o.at("done").is_int64() && o.contains("skipped"))
        out.summary = fmt::format("{} done, {} held already", o.at("done").as_int64(), o.at("skipped").is_int64() ? o.at("skipped").as_int64() : 0);
    }
    if (!out.ok && out.text.find("error") == out.text.npos) out.text += last_part(r.err, 4000);
    if (!out.ok) out.summary = "failed" + (out.summary.empty() ? "" : ": " + out.summary);
    out.text = mask_.text(out.text);
    return out;
  }

  // Units of other tools.

  ChildResult step(const UnitSpec& unit, const std::string& checkout, const Scratch& scratch, const std::vector<std::string>& argv, const char* name,
                   Reach reach) {
    auto r = command(unit, checkout, scratch, argv, reach);
    if (r.exit_code != 0) throw std::runtime_error(fmt::format("{} ended with {}:\n{}", name, r.exit_code, last_part(r.out + r.err, 8000)));
    return r;
  }

  UnitPlan plan_commands(const UnitSpec& unit, const std::string& checkout, const Scratch& scratch) {
    const auto& w = *config_.workflow(*unit.workflow);
    hand_over(checkout);
    if (!w.prepare.empty()) step(unit, checkout, scratch, w.prepare, "prepare", Reach::read);
    step(unit, checkout, scratch, w.plan, "plan", Reach::read);
    // Shown from the plan itself: what the code printed while it was planned proves nothing.
    const auto as_json = step(unit, checkout, scratch, w.show_json, "show_json", Reach::read);
    if (as_json.out_cut) throw std::runtime_error("the plan in JSON is larger than sandbox.output_kb");
    const auto read = read_terraform_plan(as_json.out);
    if (!read) throw std::runtime_error(read.error());
    const auto shown = step(unit, checkout, scratch, w.show, "show", Reach::read);
    UnitPlan out{.ok = true, .changes = read->changes, .summary = read->summary, .text = mask_.text(as_diff(shown.out))};
    if (shown.out_cut) out.text += "… (cut at sandbox.output_kb)\n";
    out.digest = read->digest;
    out.artifact = read->digest;
    return out;
  }

  /// Planned again from the approved commit, because a plan file that unapproved code could touch is no proof; applied only if it says the same.
  UnitApply apply_commands(const UnitSpec& unit, const std::string& checkout, const std::string& digest, const Scratch& scratch) {
    const auto& w = *config_.workflow(*unit.workflow);
    const auto fresh = plan_commands(unit, checkout, scratch);
    if (fresh.digest != digest)
      return {.ok = false, .another_plan = true, .summary = "the platform changed since the plan was made", .text = fresh.text};
    const auto r = command(unit, checkout, scratch, w.apply, Reach::write);
    UnitApply out{.ok = r.exit_code == 0, .summary = r.exit_code == 0 ? fresh.summary + ": done" : "failed"};
    out.text = mask_.text(as_diff(last_part(r.out + (r.exit_code == 0 ? "" : r.err), 16000)));
    return out;
  }

  const Config& config_;
  SandboxSpec sandbox_;
  Principal& principal_;
  Mask& mask_;
  std::function<bool()> cancelled_;
  std::string runs_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

}  // namespace

std::unique_ptr<Runner> make_runner(const Config& config, Principal& principal, Mask& mask, std::function<bool()> cancelled) {
  return std::make_unique<SandboxRunner>(config, principal, mask, std::move(cancelled));
}

}  // namespace tarn::review
