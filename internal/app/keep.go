package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/record"
)

// Backup writes the database to a new file, complete or not at all. It may run
// while the program serves.
func Backup(ctx context.Context, cfg Config, to string) (rows int64, err error) {
	d, _, err := existing(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	part, err := os.CreateTemp(filepath.Dir(to), ".yilian-backup-*")
	if err != nil {
		return 0, errs.Because(err, errs.Invalid, "无法在 %s 写备份文件：%v", filepath.Dir(to), err)
	}
	defer os.Remove(part.Name())
	rows, err = d.Backup(ctx, part)
	if err = errors.Join(err, part.Sync(), part.Close()); err == nil {
		err = os.Rename(part.Name(), to)
	}
	if err != nil && errs.KindOf(err) == errs.Internal {
		err = errs.Because(err, errs.Unavailable, "备份没有写成，没有留下文件。请检查 %s 的磁盘空间和权限（%v）", filepath.Dir(to), err)
	}
	return rows, err
}

// Restore fills a new database and verifies the audit chain in it. The keys
// must be those of the backup.
func Restore(ctx context.Context, cfg Config, r io.Reader) (rows int64, report audit.Report, err error) {
	cfg = cfg.filled(".")
	keys, err := crypto.Load(cfg.KeyFile)
	if err != nil {
		return 0, report, err
	}
	d, err := openDatabase(ctx, cfg.Database)
	if err != nil {
		return 0, report, err
	}
	defer d.Close()
	if err := d.Migrate(ctx); err != nil {
		return 0, report, err
	}
	rows, err = d.Restore(ctx, r, func(tx *db.Tx) error { return belong(ctx, tx, keys, cfg.KeyFile) })
	if err != nil {
		return 0, report, err
	}
	report, err = verify(ctx, d, keys)
	return rows, report, err
}

// VerifyAudit checks the whole audit chain. An error names the first broken
// leaf.
func VerifyAudit(ctx context.Context, cfg Config) (audit.Report, error) {
	d, keys, err := existing(ctx, cfg)
	if err != nil {
		return audit.Report{}, err
	}
	defer d.Close()
	return verify(ctx, d, keys)
}

func verify(ctx context.Context, d *db.DB, keys *crypto.Keyring) (audit.Report, error) {
	report, err := audit.New(d, keys).Verify(ctx)
	if err == nil && report.Broken != "" {
		err = errs.E(errs.Conflict, "审计链在 %s 处断开：%s", report.Broken, report.Reason)
	}
	return report, err
}

// OpenBench opens a database for measuring, with keys beside it that protect
// nothing.
func OpenBench(ctx context.Context, target string) (*db.DB, *crypto.Keyring, error) {
	d, err := openDatabase(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	path := target + ".keys"
	if db.IsPostgres(target) {
		path = filepath.Join(os.TempDir(), "yilian-bench.keys")
	}
	keys, err := crypto.Load(path)
	if err != nil {
		keys, err = crypto.Create(path, "sm")
	}
	return d, keys, err
}

// RotateKeys adds a new active key set and seals every patient's numbers and
// every resource of the record under it; other sealed content stays readable under the old keys. Run it while no
// server process uses the key file, or restart the processes afterwards.
func RotateKeys(ctx context.Context, cfg Config) (int, error) {
	d, keys, err := existing(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	if err := d.Migrate(ctx); err != nil {
		return 0, err
	}
	if err := keys.Rotate(); err != nil {
		return 0, err
	}
	log := audit.New(d, keys)
	patients := &patient.Service{DB: d, Keys: keys, Audit: log, Access: access.New(log)}
	total, err := reseal(ctx, patients.Reseal)
	records := 0
	if err == nil {
		records, err = reseal(ctx, (&record.Store{DB: d, Keys: keys}).Reseal)
	}
	return total, errors.Join(err, log.AppendNow(ctx, audit.Leaf{
		Actor: audit.Program("密钥更换"), Action: "keys.rotate", Object: "keys",
		Detail: fmt.Sprintf("%d 位患者的号码、%d 份档案资料重新加密", total, records),
	}))
}

// reseal runs one of the modules' Reseal over all that it keeps.
func reseal[K comparable](ctx context.Context, some func(ctx context.Context, after K, limit int) (K, int, error)) (total int, err error) {
	var after, end K
	for {
		next, changed, err := some(ctx, after, resealBatch)
		total += changed
		if err != nil || next == end {
			return total, err
		}
		after = next
	}
}

// resealBatch is how many persons are sealed again in one transaction.
const resealBatch = 500

// Admin is one of the first administrators with his one-time password.
type Admin struct{ Login, Title, Password string }

// FirstAdmins makes the three administrators of a new installation, with
// passwords that must be changed at the first sign-in. An installation that
// has accounts is refused.
func FirstAdmins(ctx context.Context, cfg Config) ([]Admin, error) {
	a, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var home organization.Organization
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		n, err := account.Count(ctx, tx)
		if err != nil {
			return err
		}
		if n > 0 {
			return errs.E(errs.Conflict, "系统里已有账号：请由系统管理员在“账号管理”中建立其他账号")
		}
		p, _ := a.Book.Profile(a.Config.Region)
		bureaus, err := organization.List(ctx, tx, organization.Filter{Kind: organization.Bureau, Region: p.Jurisdiction})
		if err == nil && len(bureaus) > 0 {
			home = bureaus[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Admin
	for _, role := range []access.Role{access.SystemAdmin, access.SecurityAdmin, access.Auditor} {
		admin := Admin{Login: strings.ReplaceAll(string(role), "_", "-"), Title: role.Title(), Password: rand.Text()[:14]}
		_, err := a.Accounts.Seed(ctx, account.NewAccount{
			Login: admin.Login, Name: admin.Title, Posts: []account.NewPost{{Role: role, Org: home.ID, OrgName: home.Name}},
		}, admin.Password, true)
		if err != nil {
			return out, err // what was made has been given its password
		}
		out = append(out, admin)
	}
	return out, nil
}
