package main

import (
	"context"
	"fmt"
	"io"

	"github.com/claimsmith/claimsmith/config"
)

// runOperating runs the commands that speak to a running server, and those that help with speaking to one.
func runOperating(ctx context.Context, command config.Command, stdin io.Reader, stdout, stderr io.Writer) error {
	switch c := command.(type) {
	case *config.MetaGet:
		return runMetaGet(ctx, c, stdout)
	case *config.MetaList:
		return runMetaList(ctx, c, stdout)
	case *config.MetaSet:
		return runMetaSet(ctx, c, stdin, stdout)
	case *config.MetaUnset:
		return runMetaUnset(ctx, c, stdout)
	case *config.MetaHistory:
		return runMetaHistory(ctx, c, stdout)
	case *config.MetaRollback:
		return runMetaRollback(ctx, c, stdin, stdout, stderr)
	case *config.MetaPreview:
		return runMetaPreview(ctx, c, stdin, stdout)

	case *config.UsersList:
		return runUsersList(ctx, c, stdout)
	case *config.UsersShow:
		return runUsersShow(ctx, c, stdout)
	case *config.UsersCreate:
		return runUsersCreate(ctx, c, stdin, stdout)
	case *config.UsersUpdate:
		return runUsersUpdate(ctx, c, stdout)
	case *config.UsersPassword:
		return runUsersPassword(ctx, c, stdin, stdout)
	case *config.UsersGroups:
		return runUsersGroups(ctx, c, stdout)
	case *config.UsersRole:
		return runUsersRole(ctx, c, stdout)
	case *config.UsersSessions:
		return runUsersSessions(ctx, c, stdout)
	case *config.UsersArchive:
		return runUsersArchive(ctx, c, stdout)
	case *config.UsersDelete:
		return runUsersDelete(ctx, c, stdin, stdout, stderr)

	case *config.OrgsList:
		return runOrgsList(ctx, c, stdout)
	case *config.OrgsShow:
		return runOrgsShow(ctx, c, stdout)
	case *config.OrgsCreate:
		return runOrgsCreate(ctx, c, stdout)
	case *config.OrgsUpdate:
		return runOrgsUpdate(ctx, c, stdout)

	case *config.GroupsList:
		return runGroupsList(ctx, c, stdout)
	case *config.GroupsShow:
		return runGroupsShow(ctx, c, stdout)
	case *config.GroupsCreate:
		return runGroupsCreate(ctx, c, stdout)
	case *config.GroupsUpdate:
		return runGroupsUpdate(ctx, c, stdout)
	case *config.GroupsDelete:
		return runGroupsDelete(ctx, c, stdin, stdout, stderr)
	case *config.GroupsMembers:
		return runGroupsMembers(ctx, c, stdout)
	case *config.GroupsJoin:
		return runGroupsJoin(ctx, c, stdout)
	case *config.GroupsLeave:
		return runGroupsLeave(ctx, c, stdout)

	case *config.ClientsCreate:
		return runClientsCreate(ctx, c, stdout)
	case *config.ClientsList:
		return runClientsList(ctx, c, stdout)
	case *config.ClientsShow:
		return runClientsShow(ctx, c, stdout)
	case *config.ClientsUpdate:
		return runClientsUpdate(ctx, c, stdout)
	case *config.ClientsDelete:
		return runClientsDelete(ctx, c, stdin, stdout, stderr)

	case *config.DefinitionsList:
		return runDefinitionsList(ctx, c, stdout)
	case *config.DefinitionsShow:
		return runDefinitionsShow(ctx, c, stdout)
	case *config.DefinitionsCheck:
		return runDefinitionsCheck(ctx, c, stdin, stdout)
	case *config.DefinitionsPut:
		return runDefinitionsPut(ctx, c, stdin, stdout)
	case *config.DefinitionsDelete:
		return runDefinitionsDelete(ctx, c, stdin, stdout, stderr)

	case *config.Import:
		return runImport(ctx, c, stdin, stdout, stderr)
	case *config.Export:
		return runExport(ctx, c, stdout, stderr)

	case *config.TokensInspect:
		return runTokensInspect(ctx, c, stdin, stdout)
	case *config.AuditList:
		return runAuditList(ctx, c, stdout)
	case *config.AuditExport:
		return runAuditExport(ctx, c, stdout)
	case *config.AuditVerify:
		return runAuditVerify(ctx, c, stdout)

	case *config.ProfileSet:
		return runProfileSet(c, stdin, stdout)
	case *config.ProfileList:
		return runProfileList(c, stdout)
	case *config.ProfileRemove:
		return runProfileRemove(c, stdout)
	case *config.Completion:
		return runCompletion(c, stdout)
	}
	return fmt.Errorf("%T has no implementation", command)
}
