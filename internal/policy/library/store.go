package library

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

func sortedNames(files policy.Files) []string { return slices.Sorted(maps.Keys(files)) }

func scanVersion(scan db.Scan) (v Version, err error) {
	var files string
	var at db.Time
	if err := scan(&v.Profile, &v.Version, &v.Title, &v.Clauses, &files, &v.Origin, &at, &v.Name); err != nil {
		return v, err
	}
	v.At = at.Time
	return v, json.Unmarshal([]byte(files), &v.Files)
}

// GetVersion returns a version with its text, in force or not.
func GetVersion(ctx context.Context, tx *db.Tx, profile, version string) (Version, error) {
	return db.Get(ctx, tx, "这一版政策文件", scanVersion,
		`SELECT profile, version, title, clauses, files, origin, at, name FROM policy_version WHERE profile = $1 AND version = $2`, profile, version)
}

func insertVersion(ctx context.Context, tx *db.Tx, v Version) (fresh bool, err error) {
	raw, err := json.Marshal(v.Files)
	if err != nil {
		return false, fmt.Errorf("write version: %w", err)
	}
	n, err := tx.Exec(ctx, `INSERT INTO policy_version (profile, version, title, clauses, files, origin, at, account, name)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8) ON CONFLICT (profile, version) DO NOTHING`,
		v.Profile, v.Version, v.Title, v.Clauses, string(raw), string(v.Origin), db.At(v.At), v.Name)
	if err != nil {
		return false, fmt.Errorf("insert policy version: %w", err)
	}
	return n == 1, nil
}

func scanActivation(scan db.Scan) (a Activation, err error) {
	var at db.Time
	err = scan(&a.ID, &a.Profile, &a.Version, &a.Action, &at, &a.Account, &a.Name, &a.Reason)
	a.At = at.Time
	return a, err
}

// History returns what was put in force, the newest first; profile "" is all.
func History(ctx context.Context, tx *db.Tx, profile string) ([]Activation, error) {
	return db.List(ctx, tx, scanActivation, `SELECT id, profile, version, action, at, account, name, reason FROM policy_activation
		WHERE CAST($1 AS TEXT) = '' OR profile = $1 ORDER BY at DESC, id DESC`, profile)
}

func latest(ctx context.Context, tx *db.Tx, profile string) (Activation, error) {
	list, err := db.List(ctx, tx, scanActivation, `SELECT id, profile, version, action, at, account, name, reason FROM policy_activation
		WHERE profile = $1 ORDER BY at DESC, id DESC LIMIT 1`, profile)
	if err != nil || len(list) == 0 {
		return Activation{}, err
	}
	return list[0], nil
}

// newest names the last activation of any profile.
func newest(ctx context.Context, tx *db.Tx) (string, error) {
	list, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM policy_activation ORDER BY at DESC, id DESC LIMIT 1`)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

func activatedBy(ctx context.Context, tx *db.Tx, once string) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM policy_activation WHERE once = $1`, once)
	return n > 0, err
}

func insertActivation(ctx context.Context, tx *db.Tx, a Activation, once string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO policy_activation (id, profile, version, action, at, account, name, reason, once)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		a.ID, a.Profile, a.Version, string(a.Action), db.At(a.At), a.Account, a.Name, a.Reason, db.Null(once)); err != nil {
		return fmt.Errorf("insert activation: %w", err)
	}
	return nil
}

// activePackages returns the texts of the profiles whose newest line says that
// an uploaded version is in force.
func activePackages(ctx context.Context, tx *db.Tx) (policy.Sources, error) {
	lines, err := db.List(ctx, tx, scanActivation, `SELECT a.id, a.profile, a.version, a.action, a.at, a.account, a.name, a.reason
		FROM policy_activation a WHERE a.action = 'activated' AND NOT EXISTS (
			SELECT 1 FROM policy_activation b WHERE b.profile = a.profile AND b.action IN ('activated', 'withdrawn')
			AND (b.at > a.at OR (b.at = a.at AND b.id > a.id)))`)
	if err != nil {
		return nil, err
	}
	out := policy.Sources{}
	for _, a := range lines {
		v, err := GetVersion(ctx, tx, a.Profile, a.Version)
		if err != nil {
			return nil, errs.Because(err, errs.Internal, "activated version %s@%s is missing", a.Profile, a.Version)
		}
		out[a.Profile] = v.Files
	}
	return out, nil
}
