// Runs under `tarn rehearse`: the vendor's own Java SDK, its own host names, nothing of Tarn in sight.
// Each check is a line of JSON: {"group": …, "check": …, "passed": …, "detail": …}.

import com.databricks.sdk.AccountClient;
import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksConfig;
import com.databricks.sdk.core.error.platform.NotFound;
import com.databricks.sdk.service.catalog.*;
import com.databricks.sdk.service.files.CreateDirectoryRequest;
import com.databricks.sdk.service.files.UploadRequest;
import com.databricks.sdk.service.iam.Group;
import com.databricks.sdk.service.iam.ListAccountGroupsRequest;
import com.databricks.sdk.service.iam.Patch;
import com.databricks.sdk.service.iam.PatchOp;
import com.databricks.sdk.service.iam.PatchSchema;
import com.databricks.sdk.service.iam.PartialUpdate;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import com.databricks.sdk.service.sql.ExecuteStatementRequest;
import com.databricks.sdk.service.sql.StatementParameterListItem;
import com.databricks.sdk.service.sql.StatementResponse;
import com.databricks.sdk.service.sql.StatementState;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class SdkScript {
  interface Step {
    void run() throws Exception;
  }

  static final String WORKSPACE = "https://acme-landing.cloud.databricks.com";
  static final ObjectMapper JSON = new ObjectMapper();
  static boolean failed = false;

  static void check(String group, String name, Step step) throws Exception {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("group", group);
    line.put("check", name);
    try {
      step.run();
      line.put("passed", true);
    } catch (Throwable e) {
      failed = true;
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      line.put("passed", false);
      line.put("detail", trace.toString());
    }
    System.out.println(JSON.writeValueAsString(line));
  }

  static void equal(Object found, Object wanted) {
    if (!wanted.equals(found)) throw new AssertionError("found " + found + ", wanted " + wanted);
  }

  static <T extends Throwable> T refused(Class<T> kind, Step step) throws Exception {
    try {
      step.run();
    } catch (Throwable e) {
      if (kind.isInstance(e)) return kind.cast(e);
      throw new AssertionError("found " + e, e);
    }
    throw new AssertionError("it was not refused");
  }

  static <T> List<T> all(Iterable<T> items) {
    List<T> out = new ArrayList<>();
    for (T item : items) out.add(item);
    return out;
  }

  /// Nothing of a proxy: this SDK, since it dropped USE_SYSTEM_PROPERTIES_HTTP, does not look for one, and need not.
  static DatabricksConfig reached(String host) {
    return new DatabricksConfig().setHost(host);
  }

  static DatabricksConfig config(String host) {
    return reached(host).setClientId(System.getenv("CLIENT_ID")).setClientSecret(System.getenv("CLIENT_SECRET")).setAuthType("oauth-m2m");
  }

  static void account() throws Exception {
    AccountClient a = new AccountClient(config("https://accounts.cloud.databricks.com").setAccountId(System.getenv("ACCOUNT_ID")));
    check("workspaces", "list", () -> equal(all(a.workspaces().list()).size(), 2));
    check("networks", "list", () -> equal(all(a.networks().list()).size(), 2));
    check("metastores", "list", () -> equal(all(a.metastores().list()).size(), 1));
    check("groups", "create, find by name, patch, delete", () -> {
      Group made = a.groups().create(new Group().setDisplayName("java_made"));
      List<Group> found = all(a.groups().list(new ListAccountGroupsRequest().setFilter("displayName eq \"java_made\"")));
      equal(found.size(), 1);
      equal(found.get(0).getId(), made.getId());
      a.groups().patch(new PartialUpdate().setId(made.getId()).setSchemas(List.of(PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP))
          .setOperations(List.of(new Patch().setOp(PatchOp.REPLACE).setPath("displayName").setValue("java_renamed"))));
      equal(a.groups().get(made.getId()).getDisplayName(), "java_renamed");
      a.groups().delete(made.getId());
      refused(NotFound.class, () -> a.groups().get(made.getId()));
    });
  }

  static void unityCatalog(WorkspaceClient w) throws Exception {
    check("current_user", "me", () -> equal(w.currentUser().me().getUserName(), System.getenv("CLIENT_ID")));
    check("catalogs", "list, pages followed", () -> {
      List<String> names = new ArrayList<>();
      for (CatalogInfo c : w.catalogs().list(new ListCatalogsRequest().setMaxResults(2L))) names.add(c.getName());
      equal(names.contains("landing_raw") && names.contains("pipeline_gold"), true);
    });
    check("schemas", "create, update, get", () -> {
      SchemaInfo made = w.schemas().create(new CreateSchema().setCatalogName("landing_raw").setName("java_sdk"));
      w.schemas().update(new UpdateSchema().setFullName(made.getFullName()).setComment("by Java"));
      equal(w.schemas().get(made.getFullName()).getComment(), "by Java");
    });
    check("grants", "update and get", () -> {
      w.grants().update(new UpdatePermissions().setSecurableType("schema").setFullName("landing_raw.java_sdk")
          .setChanges(List.of(new PermissionsChange().setPrincipal("ai_engineer").setAdd(List.of(Privilege.USE_SCHEMA)))));
      equal(w.grants().get("schema", "landing_raw.java_sdk").getPrivilegeAssignments().iterator().next().getPrincipal(), "ai_engineer");
    });
    check("tables", "a missing one is the SDK's NotFound", () -> refused(NotFound.class, () -> w.tables().get("landing_raw.java_sdk.nothing")));
  }

  static Collection<Collection<String>> rows(WorkspaceClient w, String text, StatementParameterListItem... parameters) throws Exception {
    StatementResponse answer = w.statementExecution().executeStatement(
        new ExecuteStatementRequest().setStatement(text).setWarehouseId(System.getenv("WAREHOUSE")).setWaitTimeout("30s").setParameters(List.of(parameters)));
    while (answer.getStatus().getState() == StatementState.PENDING || answer.getStatus().getState() == StatementState.RUNNING)
      answer = w.statementExecution().getStatement(answer.getStatementId());
    if (answer.getStatus().getState() != StatementState.SUCCEEDED) throw new AssertionError(String.valueOf(answer.getStatus()));
    return answer.getResult() == null || answer.getResult().getDataArray() == null ? List.of() : answer.getResult().getDataArray();
  }

  static void statements(WorkspaceClient w) throws Exception {
    check("warehouses", "get", () -> equal(w.warehouses().get(System.getenv("WAREHOUSE")).getName(), "shared"));
    check("statement_execution", "rows of a statement with a parameter", () -> equal(
        rows(w, "SELECT 1 + 1 AS two, :x AS x", new StatementParameterListItem().setName("x").setValue("y")), List.of(List.of("2", "y"))));
    check("statement_execution", "create, insert, read", () -> {
      rows(w, "CREATE TABLE landing_raw.java_sdk.t (a INT)");
      rows(w, "INSERT INTO landing_raw.java_sdk.t VALUES (1), (2)");
      equal(rows(w, "SELECT sum(a) FROM landing_raw.java_sdk.t"), List.of(List.of("3")));
    });
    check("tables", "list what the statement made", () -> equal(all(w.tables().list("landing_raw", "java_sdk")).size(), 1));
  }

  static void volumeFiles(WorkspaceClient w) throws Exception {
    String folder = "/Volumes/landing_raw/java_sdk/drop/dir";
    check("volumes", "create", () -> w.volumes().create(
        new CreateVolumeRequestContent().setCatalogName("landing_raw").setSchemaName("java_sdk").setName("drop").setVolumeType(VolumeType.MANAGED)));
    check("files", "create a directory, upload, list, download, delete", () -> {
      byte[] content = "hello ".repeat(1000).getBytes();
      w.files().createDirectory(new CreateDirectoryRequest().setDirectoryPath(folder));
      w.files().upload(new UploadRequest().setFilePath(folder + "/hello.txt").setContents(new ByteArrayInputStream(content)));
      equal(all(w.files().listDirectoryContents(folder)).get(0).getFileSize(), (long) content.length);
      try (var stream = w.files().download(folder + "/hello.txt").getContents()) {
        equal(new String(stream.readAllBytes()), new String(content));
      }
      w.files().delete(folder + "/hello.txt");
      refused(NotFound.class, () -> w.files().download(folder + "/hello.txt"));
    });
  }

  public static void main(String[] args) throws Exception {
    account();
    WorkspaceClient w = new WorkspaceClient(config(WORKSPACE));
    unityCatalog(w);
    statements(w);
    volumeFiles(w);
    check("tokens", "create, use, revoke", () -> {
      var made = w.tokens().create(new CreateTokenRequest().setComment("java").setLifetimeSeconds(300L));
      WorkspaceClient own = new WorkspaceClient(reached(WORKSPACE).setToken(made.getTokenValue()).setAuthType("pat"));
      equal(own.currentUser().me().getUserName(), System.getenv("CLIENT_ID"));
      w.tokens().delete(made.getTokenInfo().getTokenId());
      refused(Exception.class, () -> own.currentUser().me());
    });
    check("schemas", "delete, forced", () -> w.schemas().delete(new DeleteSchemaRequest().setFullName("landing_raw.java_sdk").setForce(true)));
    System.exit(failed ? 1 : 0);
  }
}
