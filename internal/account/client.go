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
	"yilian/internal/smart"
)

var clientPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{2,63}$`)

// ErrClient answers every wrong client id or secret alike.
var errClient = errs.E(errs.Forbidden, "客户端标识或密钥不正确，或客户端未获批准、已停用")

// Actor is the system client as actor.
func (c Client) Actor() access.Actor {
	return access.Actor{Account: "client:" + c.ID, Name: c.Name, Role: ClientRole, Org: c.Org}
}

// ClientRole is the role of system clients. Its row of the rights table is the
// most that a client can do; its scopes say what it may do of that.
const ClientRole = string(access.SystemClient)

// ClientState is where a client stands.
type ClientState string

// The states of a client.
const (
	ClientPending ClientState = "pending" // waits for the second person
	ClientActive  ClientState = "active"
	ClientStopped ClientState = "stopped"
)

// Title is the state in Chinese.
func (s ClientState) Title() string {
	return map[ClientState]string{ClientPending: "待批准", ClientActive: "启用", ClientStopped: "停用"}[s]
}

// State says where the client stands.
func (c Client) State() ClientState {
	switch {
	case !c.Active:
		return ClientStopped
	case c.ApprovedAt.IsZero():
		return ClientPending
	}
	return ClientActive
}

// CreateClient enters a system client and returns its secret, once. It works
// after the security administrator has approved it; clients that the program
// itself makes (demo) need no approval.
func (s *Service) CreateClient(ctx context.Context, actor access.Actor, c Client) (string, error) {
	var f errs.Form
	if !clientPattern.MatchString(c.ID) {
		f.Add("id", "客户端标识要 3 至 64 位小写字母、数字、点、横线或下划线")
	}
	f.Require("name", c.Name, "系统名称")
	f.Require("org", c.Org, "所属机构")
	scopes, err := smart.ParseScopes(c.Scopes)
	f.AddErr("scopes", err)
	f.AddErr("jwks", checkKeys(c.KeySet))
	if err := f.Err(); err != nil {
		return "", err
	}
	secret, _ := s.newToken()
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.AccountCreate, access.Any); err != nil {
			return err
		}
		var approved db.Time
		if actor.Account == "" {
			approved = db.At(tx.Now)
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO account_client (id, name, org, secret_hash, scopes, active, created_at, created_by, approved_at, jwks)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			c.ID, c.Name, c.Org, s.clientHash(c.ID, secret), scopes.String(), true, db.At(tx.Now), actor.Account, approved,
			strings.TrimSpace(c.KeySet))
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

func checkKeys(jwks string) error {
	if strings.TrimSpace(jwks) == "" {
		return nil
	}
	_, err := smart.ParseKeySet(jwks)
	return err
}

// clientHash: the secret has 256 random bits, so a plain digest is enough and
// quick for every request.
func (s *Service) clientHash(id, secret string) string {
	return s.Keys.Digest([]byte("account.client"), []byte(id), []byte(secret))
}

func (s *Service) clientLeaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "client", ObjectID: id, Outcome: audit.OK})
}

const clientColumns = `id, name, org, scopes, active, created_at, used_at, created_by, approved_by, approved_at, jwks, tokens_from, secret_hash`

// clientRow is a client with what is never shown.
type clientRow struct {
	Client
	hash       string
	tokensFrom db.Time // tokens that were given out before hold no longer
}

func readClient(scan db.Scan) (r clientRow, err error) {
	var created, used, approved db.Time
	err = scan(&r.ID, &r.Name, &r.Org, &r.Scopes, &r.Active, &created, &used, &r.CreatedBy, &r.ApprovedBy, &approved,
		&r.KeySet, &r.tokensFrom, &r.hash)
	r.CreatedAt, r.UsedAt, r.ApprovedAt = created.Time, used.Time, approved.Time
	return r, err
}

func getClient(ctx context.Context, tx *db.Tx, id string) (clientRow, error) {
	return db.Get(ctx, tx, "客户端", readClient, `SELECT `+clientColumns+` FROM account_client WHERE id = $1`, id)
}

// CheckClient returns the client whose secret is given. Unknown clients, wrong
// secrets and stopped clients answer alike; refusals are audited.
func (s *Service) CheckClient(ctx context.Context, id, secret string) (Client, error) {
	r, err := db.Read(ctx, s.DB, getClient, id)
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
	if r.hash != "" && subtle.ConstantTimeCompare([]byte(got), []byte(r.hash)) == 1 && r.State() == ClientActive {
		return r.Client, nil
	}
	return Client{}, cmpErr(s.refuseClient(ctx, r.ID, id), errClient)
}

// refuseClient records that somebody came with a wrong secret or assertion.
func (s *Service) refuseClient(ctx context.Context, known, claimed string) error {
	return s.Audit.AppendNow(ctx, audit.Leaf{
		Actor: access.Actor{Name: "系统客户端", Role: ClientRole}, Action: "client.check",
		Object: "client", ObjectID: known, Outcome: audit.Refused, Detail: clip(claimed, 64),
	})
}

// Clients returns all system clients, for those who enter and those who approve
// them.
func (s *Service) Clients(ctx context.Context, actor access.Actor) (list []Client, err error) {
	if err := access.Require(actor, access.AccountCreate, access.Any); err != nil && !access.May(actor, access.AccountApprove, access.Any) {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(ctx, tx, func(scan db.Scan) (Client, error) {
			r, err := readClient(scan)
			return r.Client, err
		}, `SELECT `+clientColumns+` FROM account_client ORDER BY id`)
		return err
	})
	return list, err
}

// SetClientActive stops a system client, or lets it work again.
func (s *Service) SetClientActive(ctx context.Context, actor access.Actor, id string, active bool) error {
	action := "client.stop"
	if active {
		action = "client.start"
	}
	return s.changeClient(ctx, actor, access.AccountCreate, id, action, func(tx *db.Tx, _ clientRow) error {
		_, err := tx.Exec(ctx, `UPDATE account_client SET active = $2, tokens_from = $3 WHERE id = $1`, id, active, db.At(tx.Now))
		return err
	})
}

// ApproveClient lets a new client work. Whoever entered it does not approve it.
func (s *Service) ApproveClient(ctx context.Context, actor access.Actor, id string) error {
	return s.changeClient(ctx, actor, access.AccountApprove, id, "client.approve", func(tx *db.Tx, c clientRow) error {
		if c.CreatedBy == actor.Account {
			return errs.E(errs.Forbidden, "不能批准自己登记的客户端，请由安全管理员批准")
		}
		if !c.ApprovedAt.IsZero() {
			return errs.E(errs.Conflict, "客户端 %s 已经批准过", id)
		}
		_, err := tx.Exec(ctx, `UPDATE account_client SET approved_by = $2, approved_at = $3 WHERE id = $1`, id, actor.Account, db.At(tx.Now))
		return err
	})
}

// RotateClient gives a client a new secret, returned once; the old one and all
// tokens stop working.
func (s *Service) RotateClient(ctx context.Context, actor access.Actor, id string) (string, error) {
	secret, _ := s.newToken()
	err := s.changeClient(ctx, actor, access.AccountCreate, id, "client.rotate", func(tx *db.Tx, _ clientRow) error {
		_, err := tx.Exec(ctx, `UPDATE account_client SET secret_hash = $2, tokens_from = $3 WHERE id = $1`,
			id, s.clientHash(id, secret), db.At(tx.Now))
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// SetClientKeys replaces the public keys that a client signs its assertions
// with; "" takes them away.
func (s *Service) SetClientKeys(ctx context.Context, actor access.Actor, id, jwks string) error {
	if err := checkKeys(jwks); err != nil {
		return fieldErr("jwks", err.Error())
	}
	return s.changeClient(ctx, actor, access.AccountCreate, id, "client.keys", func(tx *db.Tx, _ clientRow) error {
		_, err := tx.Exec(ctx, `UPDATE account_client SET jwks = $2, tokens_from = $3 WHERE id = $1`,
			id, strings.TrimSpace(jwks), db.At(tx.Now))
		return err
	})
}

func (s *Service) changeClient(ctx context.Context, actor access.Actor, right access.Right, id, action string, change func(*db.Tx, clientRow) error) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, right, access.Any); err != nil {
			return err
		}
		c, err := getClient(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := change(tx, c); err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		return s.clientLeaf(ctx, tx, actor, action, id)
	})
}
