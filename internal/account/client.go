package account

import (
	"context"
	"crypto/subtle"
	"fmt"
	"regexp"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

var clientPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{2,63}$`)

// ErrClient answers every wrong client id or secret alike.
var errClient = errs.E(errs.Forbidden, "客户端标识或密钥不正确，或客户端已停用")

// Actor is the system client as actor.
func (c Client) Actor() access.Actor {
	return access.Actor{Account: "client:" + c.ID, Name: c.Name, Role: ClientRole, Org: c.Org}
}

// ClientRole is the role of system clients; it is in no row of the rights
// table, their scopes say what they may do.
const ClientRole = "client"

// CreateClient enters a system client and returns its secret, once.
func (s *Service) CreateClient(ctx context.Context, actor access.Actor, c Client) (string, error) {
	var f errs.Form
	if !clientPattern.MatchString(c.ID) {
		f.Add("id", "客户端标识要 3 至 64 位小写字母、数字、点、横线或下划线")
	}
	f.Require("name", c.Name, "系统名称")
	f.Require("org", c.Org, "所属机构")
	if err := f.Err(); err != nil {
		return "", err
	}
	secret, _ := s.newToken()
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.AccountCreate, access.Any); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO account_client (id, name, org, secret_hash, scopes, active, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			c.ID, c.Name, c.Org, s.clientHash(c.ID, secret), strings.Join(strings.Fields(c.Scopes), " "), true, db.At(tx.Now))
		if errs.Is(err, errs.Conflict) {
			return fieldErr("id", "客户端标识“"+c.ID+"”已经存在，请换一个")
		}
		if err != nil {
			return fmt.Errorf("insert client: %w", err)
		}
		return s.clientLeaf(ctx, tx, actor, "client.create", c.ID)
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// clientHash: the secret has 256 random bits, so a plain digest is enough and
// quick for every request.
func (s *Service) clientHash(id, secret string) string {
	return s.Keys.Digest([]byte("account.client"), []byte(id), []byte(secret))
}

func (s *Service) clientLeaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "client", ObjectID: id, Outcome: audit.OK})
}

// CheckClient returns the client whose secret is given. Unknown clients, wrong
// secrets and stopped clients answer alike; refusals are audited.
func (s *Service) CheckClient(ctx context.Context, id, secret string) (Client, error) {
	type row struct {
		Client
		hash string
	}
	var r row
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		r, err = db.Get(ctx, tx, "客户端", func(scan db.Scan) (r row, err error) {
			var created, used db.Time
			err = scan(&r.ID, &r.Name, &r.Org, &r.Scopes, &r.Active, &created, &used, &r.hash)
			r.CreatedAt, r.UsedAt = created.Time, used.Time
			return r, err
		}, `SELECT id, name, org, scopes, active, created_at, used_at, secret_hash FROM account_client WHERE id = $1`, id)
		return err
	})
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Client{}, err
	}
	algorithm, _, _ := strings.Cut(r.hash, ".")
	got := ""
	if r.hash != "" {
		if got, err = s.Keys.DigestAs(algorithm, []byte("account.client"), []byte(id), []byte(secret)); err != nil {
			return Client{}, fmt.Errorf("digest client secret: %w", err)
		}
	}
	if r.hash != "" && subtle.ConstantTimeCompare([]byte(got), []byte(r.hash)) == 1 && r.Active {
		return r.Client, nil
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		return s.Audit.Append(ctx, tx, audit.Leaf{
			Actor: access.Actor{Name: "系统客户端", Role: ClientRole}, Action: "client.check",
			Object: "client", ObjectID: r.ID, Outcome: audit.Refused, Detail: clip(id, 64),
		})
	})
	return Client{}, cmpErr(err, errClient)
}

// Clients returns all system clients.
func (s *Service) Clients(ctx context.Context, actor access.Actor) (list []Client, err error) {
	if err := access.Require(actor, access.AccountCreate, access.Any); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(ctx, tx, func(scan db.Scan) (c Client, err error) {
			var created, used db.Time
			err = scan(&c.ID, &c.Name, &c.Org, &c.Scopes, &c.Active, &created, &used)
			c.CreatedAt, c.UsedAt = created.Time, used.Time
			return c, err
		}, `SELECT id, name, org, scopes, active, created_at, used_at FROM account_client ORDER BY id`)
		return err
	})
	return list, err
}

// SetClientActive stops a system client or lets it work again.
func (s *Service) SetClientActive(ctx context.Context, actor access.Actor, id string, active bool) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.AccountCreate, access.Any); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE account_client SET active = $2 WHERE id = $1`, id, active)
		if err != nil {
			return fmt.Errorf("update client: %w", err)
		}
		if n == 0 {
			return errs.E(errs.NotFound, "没有找到客户端 %s", id)
		}
		action := "client.stop"
		if active {
			action = "client.start"
		}
		return s.clientLeaf(ctx, tx, actor, action, id)
	})
}
