// Runs under `tarn rehearse`: the vendor's own Go SDK, its own host names, nothing of Tarn in sight.
// Each check is a line of JSON: {"group": …, "check": …, "passed": …, "detail": …}.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/catalog"
	"github.com/databricks/databricks-sdk-go/service/files"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/settings"
	"github.com/databricks/databricks-sdk-go/service/sql"
)

const (
	accountHost   = "https://accounts.cloud.databricks.com"
	workspaceHost = "https://acme-landing.cloud.databricks.com"
)

var failed bool

// check runs one step; a step that depends on an earlier one fails with it.
func check(group, name string, step func() error) {
	err := step()
	line := map[string]any{"group": group, "check": name, "passed": err == nil}
	if err != nil {
		failed = true
		line["detail"] = err.Error()
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func equal(found, wanted any) error {
	if !reflect.DeepEqual(found, wanted) {
		return fmt.Errorf("found %v, wanted %v", found, wanted)
	}
	return nil
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return value
}

func account(ctx context.Context) {
	a := must(databricks.NewAccountClient(&databricks.Config{Host: accountHost, AccountID: os.Getenv("ACCOUNT_ID"),
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET")}))
	check("workspaces", "list and get", func() error {
		all, err := a.Workspaces.List(ctx)
		if err != nil {
			return err
		}
		for _, w := range all {
			one, err := a.Workspaces.GetByWorkspaceId(ctx, w.WorkspaceId)
			if err != nil {
				return err
			}
			if err := equal(one.DeploymentName, w.DeploymentName); err != nil {
				return err
			}
		}
		return equal(len(all), 2)
	})
	check("networks", "list", func() error {
		all, err := a.Networks.List(ctx)
		if err != nil {
			return err
		}
		return equal(len(all), 2)
	})
	check("metastores", "list", func() error {
		all, err := a.Metastores.ListAll(ctx)
		if err != nil {
			return err
		}
		return equal(len(all), 1)
	})
	check("groups", "create, find by name, patch, delete", func() error {
		made, err := a.Groups.Create(ctx, iam.Group{DisplayName: "go_made"})
		if err != nil {
			return err
		}
		found, err := a.Groups.GetByDisplayName(ctx, "go_made")
		if err != nil {
			return err
		}
		if err := equal(found.Id, made.Id); err != nil {
			return err
		}
		err = a.Groups.Patch(ctx, iam.PartialUpdate{Id: made.Id, Schemas: []iam.PatchSchema{iam.PatchSchemaUrnIetfParamsScimApiMessages20PatchOp},
			Operations: []iam.Patch{{Op: iam.PatchOpReplace, Path: "displayName", Value: "go_renamed"}}})
		if err != nil {
			return err
		}
		again, err := a.Groups.GetById(ctx, made.Id)
		if err != nil {
			return err
		}
		if err := equal(again.DisplayName, "go_renamed"); err != nil {
			return err
		}
		if err := a.Groups.DeleteById(ctx, made.Id); err != nil {
			return err
		}
		_, err = a.Groups.GetById(ctx, made.Id)
		return equal(errors.Is(err, apierr.ErrNotFound), true)
	})
}

func unityCatalog(ctx context.Context, w *databricks.WorkspaceClient) {
	check("current_user", "me", func() error {
		me, err := w.CurrentUser.Me(ctx, iam.MeRequest{})
		if err != nil {
			return err
		}
		return equal(me.UserName, os.Getenv("CLIENT_ID"))
	})
	check("catalogs", "list, pages followed", func() error {
		all, err := w.Catalogs.ListAll(ctx, catalog.ListCatalogsRequest{MaxResults: 2})
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, c := range all {
			names[c.Name] = true
		}
		return equal(names["landing_raw"] && names["pipeline_gold"], true)
	})
	check("schemas", "create, update, get", func() error {
		made, err := w.Schemas.Create(ctx, catalog.CreateSchema{CatalogName: "landing_raw", Name: "go_sdk"})
		if err != nil {
			return err
		}
		if _, err := w.Schemas.Update(ctx, catalog.UpdateSchema{FullName: made.FullName, Comment: "by Go"}); err != nil {
			return err
		}
		got, err := w.Schemas.GetByFullName(ctx, made.FullName)
		if err != nil {
			return err
		}
		return equal(got.Comment, "by Go")
	})
	check("grants", "update and get", func() error {
		_, err := w.Grants.Update(ctx, catalog.UpdatePermissions{SecurableType: "schema", FullName: "landing_raw.go_sdk",
			Changes: []catalog.PermissionsChange{{Principal: "ai_engineer", Add: []catalog.Privilege{catalog.PrivilegeUseSchema}}}})
		if err != nil {
			return err
		}
		got, err := w.Grants.GetBySecurableTypeAndFullName(ctx, "schema", "landing_raw.go_sdk")
		if err != nil {
			return err
		}
		return equal(got.PrivilegeAssignments[0].Principal, "ai_engineer")
	})
	check("grants", "an unknown principal is refused in the vendor's words", func() error {
		_, err := w.Grants.Update(ctx, catalog.UpdatePermissions{SecurableType: "schema", FullName: "landing_raw.go_sdk",
			Changes: []catalog.PermissionsChange{{Principal: "nobody_here", Add: []catalog.Privilege{catalog.PrivilegeUseSchema}}}})
		if err == nil || !strings.Contains(err.Error(), "Could not find principal with name nobody_here") {
			return fmt.Errorf("found %v", err)
		}
		return nil
	})
	check("tables", "a missing one is the SDK's ErrNotFound", func() error {
		_, err := w.Tables.GetByFullName(ctx, "landing_raw.go_sdk.nothing")
		return equal(errors.Is(err, apierr.ErrNotFound), true)
	})
}

func statements(ctx context.Context, w *databricks.WorkspaceClient) {
	warehouse := os.Getenv("WAREHOUSE")
	run := func(text string, parameters ...sql.StatementParameterListItem) ([][]string, error) {
		answer, err := w.StatementExecution.ExecuteAndWait(ctx, sql.ExecuteStatementRequest{Statement: text, WarehouseId: warehouse, Parameters: parameters})
		if err != nil {
			return nil, err
		}
		if answer.Result == nil {
			return nil, nil
		}
		return answer.Result.DataArray, nil
	}
	check("warehouses", "get", func() error {
		got, err := w.Warehouses.GetById(ctx, warehouse)
		if err != nil {
			return err
		}
		return equal(got.Name, "shared")
	})
	check("statement_execution", "rows of a statement with a parameter", func() error {
		rows, err := run("SELECT 1 + 1 AS two, :x AS x", sql.StatementParameterListItem{Name: "x", Value: "y"})
		if err != nil {
			return err
		}
		return equal(rows, [][]string{{"2", "y"}})
	})
	check("statement_execution", "create, insert, read", func() error {
		for _, text := range []string{"CREATE TABLE landing_raw.go_sdk.t (a INT)", "INSERT INTO landing_raw.go_sdk.t VALUES (1), (2)"} {
			if _, err := run(text); err != nil {
				return err
			}
		}
		rows, err := run("SELECT sum(a) FROM landing_raw.go_sdk.t")
		if err != nil {
			return err
		}
		return equal(rows, [][]string{{"3"}})
	})
	check("tables", "list what the statement made", func() error {
		all, err := w.Tables.ListAll(ctx, catalog.ListTablesRequest{CatalogName: "landing_raw", SchemaName: "go_sdk"})
		if err != nil {
			return err
		}
		return equal(len(all), 1)
	})
	check("statement_execution", "a failure carries the engine's error", func() error {
		_, err := run("SELECT * FROM landing_raw.go_sdk.nothing")
		if err == nil || !strings.Contains(err.Error(), "TABLE_OR_VIEW_NOT_FOUND") {
			return fmt.Errorf("found %v", err)
		}
		return nil
	})
}

func volumeFiles(ctx context.Context, w *databricks.WorkspaceClient) {
	const path = "/Volumes/landing_raw/go_sdk/drop/dir/hello.txt"
	check("volumes", "create", func() error {
		_, err := w.Volumes.Create(ctx, catalog.CreateVolumeRequestContent{CatalogName: "landing_raw", SchemaName: "go_sdk", Name: "drop", VolumeType: catalog.VolumeTypeManaged})
		return err
	})
	check("files", "create a directory, upload, list, download, delete", func() error {
		if err := w.Files.CreateDirectory(ctx, files.CreateDirectoryRequest{DirectoryPath: "/Volumes/landing_raw/go_sdk/drop/dir"}); err != nil {
			return err
		}
		content := bytes.Repeat([]byte("hello "), 1000)
		if err := w.Files.Upload(ctx, files.UploadRequest{FilePath: path, Contents: io.NopCloser(bytes.NewReader(content))}); err != nil {
			return err
		}
		entries, err := w.Files.ListDirectoryContentsAll(ctx, files.ListDirectoryContentsRequest{DirectoryPath: "/Volumes/landing_raw/go_sdk/drop/dir"})
		if err != nil {
			return err
		}
		if err := equal(len(entries) == 1 && entries[0].Name == "hello.txt" && entries[0].FileSize == int64(len(content)), true); err != nil {
			return err
		}
		got, err := w.Files.DownloadByFilePath(ctx, path)
		if err != nil {
			return err
		}
		defer got.Contents.Close()
		back, err := io.ReadAll(got.Contents)
		if err != nil {
			return err
		}
		if err := equal(bytes.Equal(back, content), true); err != nil {
			return err
		}
		if err := w.Files.DeleteByFilePath(ctx, path); err != nil {
			return err
		}
		_, err = w.Files.DownloadByFilePath(ctx, path)
		return equal(errors.Is(err, apierr.ErrNotFound), true)
	})
}

func main() {
	ctx := context.Background()
	account(ctx)
	w := must(databricks.NewWorkspaceClient(&databricks.Config{Host: workspaceHost, ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET")}))
	unityCatalog(ctx, w)
	statements(ctx, w)
	volumeFiles(ctx, w)
	check("tokens", "create, use, revoke", func() error {
		made, err := w.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: "go", LifetimeSeconds: 300})
		if err != nil {
			return err
		}
		own := must(databricks.NewWorkspaceClient(&databricks.Config{Host: workspaceHost, Token: made.TokenValue, AuthType: "pat"}))
		if _, err := own.CurrentUser.Me(ctx, iam.MeRequest{}); err != nil {
			return err
		}
		if err := w.Tokens.DeleteByTokenId(ctx, made.TokenInfo.TokenId); err != nil {
			return err
		}
		_, err = own.CurrentUser.Me(ctx, iam.MeRequest{})
		return equal(errors.Is(err, apierr.ErrUnauthenticated) || errors.Is(err, apierr.ErrPermissionDenied), true)
	})
	check("schemas", "delete, forced", func() error {
		return w.Schemas.Delete(ctx, catalog.DeleteSchemaRequest{FullName: "landing_raw.go_sdk", Force: true})
	})
	if failed {
		os.Exit(1)
	}
}
