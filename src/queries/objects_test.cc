#include "queries/routes.h"
#include "workspace/routes.h"
#include "workspace/testing.h"

namespace tarn::queries {
namespace {

using enum api::Method;

struct QueriesTest : workspace::testing::TreeTest {
  Objects objects_{*store, permissions, directory, tree, clock};
  QueriesTest() {
    router.add(routes(objects_));
    router.add(workspace::routes(tree));
  }
  Answer query(const std::string& name = "q", const std::string& more = "", const std::string& who = kAnn) {
    return call(POST, "sql/queries", R"({"query":{"display_name":")" + name + R"(","query_text":"SELECT 1","warehouse_id":"w")" + more + "}}", who);
  }
  Answer alert(const std::string& query_id, const std::string& name = "a", const std::string& who = kAnn) {
    return call(POST, "sql/alerts",
                R"({"alert":{"display_name":")" + name + R"(","query_id":")" + query_id +
                    R"(","condition":{"op":"GREATER_THAN","operand":{"column":{"name":"n"}},"threshold":{"value":{"double_value":1}}}}})",
                who);
  }
  Answer dashboard(const std::string& name = "d", const std::string& who = kAnn) {
    return call(POST, "lakeview/dashboards", R"({"display_name":")" + name + R"(","serialized_dashboard":"{\"pages\":[]}","warehouse_id":"w"})", who);
  }
  const std::string home = "/Users/" + std::string(kAnn);
};

TEST_F(QueriesTest, AQueryIsMadeShownChangedListedAndTrashed) {
  const auto q = query();
  ASSERT_EQ(q.status, 200) << q.text;
  EXPECT_EQ(q.at("parent_path"), "/Workspace" + home);
  EXPECT_EQ(q.at("owner_user_name"), kAnn);
  EXPECT_EQ(q.at("run_as_mode"), "OWNER");
  EXPECT_EQ(q.at("lifecycle_state"), "ACTIVE");
  const auto one = "sql/queries/" + q.at("id");
  EXPECT_EQ(call(GET, one).text, q.text);
  const auto u =
      call(PATCH, one,
           R"({"query":{"display_name":"q2","query_text":"SELECT 2","description":"not in the mask"},"update_mask":"display_name,query_text"})");
  EXPECT_EQ(u.at("query_text"), "SELECT 2");
  EXPECT_EQ(u.at("description"), "") << "only what the mask names";
  EXPECT_EQ(call(GET, "sql/queries").body.at("results").as_array().size(), 1u);
  EXPECT_EQ(call(DELETE, one).status, 200);
  EXPECT_EQ(call(GET, one).at("lifecycle_state"), "TRASHED");
  EXPECT_EQ(call(GET, "sql/queries").text, "{}");
  EXPECT_EQ(call(PATCH, one, R"({"query":{"display_name":"x"},"update_mask":"display_name"})").status, 400);
  clock.advance(31ll * 24 * 3600 * 1000);
  query("other");
  EXPECT_EQ(call(GET, one).status, 404) << "the trash is emptied after 30 days";
}

TEST_F(QueriesTest, NamesAreOfTheirFolderAndPagesGoOn) {
  for (const auto* n : {"a", "b", "c"}) query(n);
  EXPECT_EQ(query("a").code(), "RESOURCE_ALREADY_EXISTS");
  const auto resolved = call(POST, "sql/queries", R"({"query":{"display_name":"a"},"auto_resolve_display_name":true})");
  EXPECT_EQ(resolved.at("display_name"), "a (1)");
  std::set<std::string> seen;
  std::string token;
  for (int i = 0; i < 10; ++i) {
    const auto page = call(GET, "sql/queries?page_size=1" + (token.empty() ? "" : "&page_token=" + api::percent_encode(token)));
    seen.insert(std::string(page.body.at("results").at(0).at("display_name").as_string()));
    token = page.at("next_page_token");
    if (token.empty()) break;
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a", "a (1)", "b", "c"}));
}

TEST_F(QueriesTest, RightsAreItsListAndItsFolders) {
  const auto id = query().at("id");
  const auto one = "sql/queries/" + id;
  const std::string edit = R"({"query":{"query_text":"x"},"update_mask":"query_text"})";
  EXPECT_EQ(call(GET, one, "", kBob).status, 404);
  EXPECT_EQ(call(GET, "sql/queries", "", kBob).text, "{}");
  grant("queries", id, kBob, "CAN_RUN");
  EXPECT_EQ(call(GET, one, "", kBob).status, 200);
  EXPECT_EQ(call(PATCH, one, edit, kBob).status, 403);
  grant("queries", id, kBob, "CAN_EDIT");
  EXPECT_EQ(call(PATCH, one, edit, kBob).status, 200);
  EXPECT_EQ(call(PATCH, one, R"({"query":{"owner_user_name":"bob@acme.example"},"update_mask":"owner_user_name"})", kBob).status, 403);
  EXPECT_EQ(call(DELETE, one, "", kBob).status, 403);
  EXPECT_EQ(call(PATCH, one, R"({"query":{"owner_user_name":"bob@acme.example"},"update_mask":"owner_user_name"})").at("owner_user_name"), kBob);
  EXPECT_EQ(call(PATCH, one, R"({"query":{"owner_user_name":"nobody"},"update_mask":"owner_user_name"})").status, 400);
  EXPECT_EQ(query("x", R"(,"parent_path":"/Users/ann@acme.example")", kBob).status, 404) << "another's home is not there";
  EXPECT_EQ(query("x", R"(,"parent_path":"/")", kBob).status, 403);
  EXPECT_EQ(query("x", R"(,"parent_path":"/Shared")", kBob).status, 200);
  EXPECT_EQ(call(GET, "sql/queries").body.at("results").as_array().size(), 2u) << "what is in /Shared is everybody's";
}

TEST_F(QueriesTest, AFolderTakesItsQueriesAlong) {
  call(POST, "workspace/mkdirs", R"({"path":")" + home + R"(/f"})");
  const auto id = query("q", R"(,"parent_path":"/Workspace/Users/ann@acme.example/f")").at("id");
  const auto remove = [&](const char* recursive) {
    return call(POST, "workspace/delete", R"({"path":")" + home + R"(/f","recursive":)" + recursive + "}");
  };
  EXPECT_EQ(remove("false").code(), "DIRECTORY_NOT_EMPTY");
  EXPECT_EQ(remove("true").status, 200);
  EXPECT_EQ(call(GET, "sql/queries/" + id).status, 404);
}

TEST_F(QueriesTest, AlertsStandOnQueriesThatTheirMakerReads) {
  const auto q = query().at("id");
  const auto a = alert(q);
  ASSERT_EQ(a.status, 200) << a.text;
  EXPECT_EQ(a.at("state"), "UNKNOWN");
  EXPECT_EQ(a.at({"condition", "op"}), "GREATER_THAN");
  EXPECT_EQ(alert(q, "a", kBob).status, 404);
  EXPECT_EQ(alert("none").status, 404);
  const auto one = "sql/alerts/" + a.at("id");
  EXPECT_EQ(call(PATCH, one, R"({"alert":{"notify_on_ok":true},"update_mask":"notify_on_ok"})").at("notify_on_ok"), "true");
  EXPECT_EQ(call(GET, one, "", kBob).status, 404);
  EXPECT_EQ(call(DELETE, one).status, 200);
  EXPECT_EQ(call(GET, "sql/alerts").text, "{}");
}

TEST_F(QueriesTest, DashboardsArePublishedAndKeptFromLostUpdates) {
  const auto d = dashboard();
  ASSERT_EQ(d.status, 200) << d.text;
  EXPECT_EQ(d.at("path"), home + "/d.lvdash.json");
  const auto one = "lakeview/dashboards/" + d.at("dashboard_id");
  EXPECT_EQ(call(GET, one + "/published").status, 404);
  EXPECT_EQ(call(POST, one + "/published", R"({"embed_credentials":false})").at("warehouse_id"), "w");
  EXPECT_EQ(call(GET, one + "/published").at("embed_credentials"), "false");
  const auto u = call(PATCH, one, R"({"display_name":"e","etag":")" + d.at("etag") + "\"}");
  EXPECT_NE(u.at("etag"), d.at("etag"));
  EXPECT_EQ(call(PATCH, one, R"({"display_name":"f","etag":")" + d.at("etag") + "\"}").status, 409);
  EXPECT_EQ(call(DELETE, one + "/published").status, 200);
  EXPECT_EQ(call(DELETE, one, "", kBob).status, 404);
  EXPECT_EQ(call(DELETE, one).status, 200);
  EXPECT_EQ(call(GET, one).at("lifecycle_state"), "TRASHED");
  EXPECT_EQ(call(GET, "lakeview/dashboards").text, "{}");
  EXPECT_EQ(call(GET, "lakeview/dashboards?show_trashed=true").body.at("dashboards").as_array().size(), 1u);
}

TEST_F(QueriesTest, MalformedRequestsNameTheField) {
  const auto says = [&](const Answer& a, const std::string& field) {
    EXPECT_EQ(a.status, 400) << a.text;
    EXPECT_NE(a.message().find(field), std::string::npos) << a.message();
  };
  says(call(POST, "sql/queries", "{}"), "display_name");
  says(query(" "), "display_name");
  says(query("q", R"(,"run_as_mode":"ROOT")"), "run_as_mode");
  says(query("q", R"(,"parameters":[{"name":"p","text_value":{"value":"a"},"numeric_value":{"value":1}}])"), "parameters[0]");
  says(query("q", R"(,"parameters":[{"text_value":{"value":"a"}}])"), "parameters[0].name");
  const auto id = query().at("id");
  says(call(PATCH, "sql/queries/" + id, R"({"query":{}})"), "update_mask");
  says(call(PATCH, "sql/queries/" + id, R"({"query":{},"update_mask":"id"})"), "update_mask");
  says(call(PATCH, "sql/queries/" + id, R"({"query":{},"update_mask":"display_name"})"), "display_name");
  says(call(POST, "sql/alerts", R"({"alert":{"display_name":"a"}})"), "query_id");
  says(call(POST, "sql/alerts",
            R"({"alert":{"display_name":"a","query_id":")" + id + R"(","condition":{"op":"EQUAL","operand":{"column":{"name":"n"}}}}})"),
       "threshold");
  says(call(POST, "lakeview/dashboards", R"({"display_name":"d","serialized_dashboard":"["})"), "serialized_dashboard");
  says(call(POST, "lakeview/dashboards", R"({"display_name":"a/b"})"), "display_name");
  says(call(GET, "sql/queries?page_size=x"), "page_size");
}

}  // namespace
}  // namespace tarn::queries
