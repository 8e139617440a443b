#include "repos/routes.h"

#include "api/answers.h"

namespace tarn::repos {
namespace {

using api::answer;
using api::Method;
using api::Request;

constexpr std::size_t kPage = 20;

struct RepoList {
  std::vector<RepoInfo> repos;
  std::optional<std::string> next_page_token;
};
BOOST_DESCRIBE_STRUCT(RepoList, (), (repos, next_page_token))
struct CredentialList {
  std::vector<CredentialInfo> credentials;
};
BOOST_DESCRIBE_STRUCT(CredentialList, (), (credentials))

Expected<std::optional<std::int64_t>, api::WireError> principal_of(const Request& r) {
  const auto given = r.param("principal_id");
  if (!given || given->empty()) return std::nullopt;
  TARN_TRY(n, api::integer("principal_id", *given));
  return n;
}

api::Result list_repos(Repos& s, const Request& r) {
  auto prefix = r.param("path_prefix").value_or("");
  if (prefix.empty() || prefix == "/" || prefix == "/Workspace") prefix = "/Repos";
  const std::string listing = "repos:" + prefix;
  TARN_TRY(after, api::page_after(listing, r.param("next_page_token")));
  auto page = s.list(r.context, prefix, after, kPage);
  if (!page) return fail(wire(page.error()));
  RepoList out{.repos = std::move(page->repos)};
  if (page->next) out.next_page_token = api::page_token(listing, *page->next);
  return api::ok(out);
}

}  // namespace

api::WireError wire(const Error& e) {
  auto out = api::wire<Errc>(e);
  if (e.code == Errc::busy) out.headers.emplace_back("Retry-After", "5");
  return out;
}

std::vector<api::Route> routes(Repos& s, Credentials& c) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& pattern, const std::string& group, api::Handler h) {
    out.push_back({.method = m, .pattern = "/api/2.0/" + pattern, .group = group, .handler = std::move(h)});
  };
  const auto with_id = [](const char* name, auto body) {
    return [name, body](const Request& r) -> api::Result {
      TARN_TRY(id, api::integer(name, r.capture(name)));
      return body(r, id);
    };
  };
  row(Method::POST, "repos", "repos", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewRepo>(r));
    return answer(s.create(r.context, body));
  });
  row(Method::GET, "repos", "repos", [&s](const Request& r) -> api::Result { return list_repos(s, r); });
  row(Method::GET, "repos/{repo_id}", "repos", with_id("repo_id", [&s](const Request& r, std::int64_t id) { return answer(s.get(r.context, id)); }));
  row(Method::PATCH, "repos/{repo_id}", "repos", with_id("repo_id", [&s](const Request& r, std::int64_t id) -> api::Result {
        TARN_TRY(body, api::body_of<RepoChange>(r));
        return answer(s.update(r.context, id, body));
      }));
  row(Method::DELETE, "repos/{repo_id}", "repos",
      with_id("repo_id", [&s](const Request& r, std::int64_t id) { return answer(s.remove(r.context, id)); }));

  const std::string git = "git-credentials";
  row(Method::POST, git, git, [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CredentialRequest>(r));
    return answer(c.create(r.context, body));
  });
  row(Method::GET, git, git, [&c](const Request& r) -> api::Result {
    TARN_TRY(principal, principal_of(r));
    auto all = c.list(r.context, principal);
    if (!all) return fail(wire(all.error()));
    return api::ok(CredentialList{*std::move(all)});
  });
  row(Method::GET, git + "/{credential_id}", git, with_id("credential_id", [&c](const Request& r, std::int64_t id) -> api::Result {
        TARN_TRY(principal, principal_of(r));
        return answer(c.get(r.context, id, principal));
      }));
  row(Method::PATCH, git + "/{credential_id}", git, with_id("credential_id", [&c](const Request& r, std::int64_t id) -> api::Result {
        TARN_TRY(body, api::body_of<CredentialRequest>(r));
        return answer(c.update(r.context, id, body));
      }));
  row(Method::DELETE, git + "/{credential_id}", git, with_id("credential_id", [&c](const Request& r, std::int64_t id) -> api::Result {
        TARN_TRY(principal, principal_of(r));
        return answer(c.remove(r.context, id, principal));
      }));
  return out;
}

}  // namespace tarn::repos
