package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/smart"
)

// TokenLife is how long an access token of a system client holds (SMART backend
// services: at most five minutes are recommended).
const TokenLife = 5 * time.Minute

// clientFresh is how long a process trusts what it has read about a client: a
// client that is stopped is shut out everywhere after that time.
const clientFresh = 2 * time.Second

// tokenDomain keys the mark of tokens.
const tokenDomain = "account.token"

// token is what an access token says; the mark after it makes it unforgeable.
type token struct {
	Client string `json:"c"`
	Scopes string `json:"s"`
	From   int64  `json:"f"` // ms
	Until  int64  `json:"u"` // ms
}

// Access is what a token entitles to.
type Access struct {
	Client Client
	Actor  access.Actor
	Scopes smart.Scopes
}

// Token is an access token as it is given out.
type Token struct {
	Text   string
	Scopes smart.Scopes
	Life   time.Duration
}

// SecretToken gives a token for the client's secret; asked "" means all scopes.
func (s *Service) SecretToken(ctx context.Context, id, secret, asked string) (Token, error) {
	c, err := s.CheckClient(ctx, id, secret)
	if err != nil {
		return Token{}, err
	}
	return s.newClientToken(ctx, c, asked, nil)
}

// AssertionToken gives a token for a signed assertion, which is used up by it.
func (s *Service) AssertionToken(ctx context.Context, assertion string, audiences []string, asked string) (Token, error) {
	id, err := smart.ClientOf(assertion)
	if err != nil {
		return Token{}, err
	}
	r, err := db.Read(ctx, s.DB, getClient, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Token{}, err
	}
	if err != nil || r.State() != ClientActive || r.KeySet == "" {
		return Token{}, cmpErr(s.refuseClient(ctx, r.ID, id), errClient)
	}
	keys, err := smart.ParseKeySet(r.KeySet)
	if err != nil {
		return Token{}, err
	}
	a, err := keys.Check(assertion, audiences, s.DB.Now())
	if err != nil {
		return Token{}, cmpErr(s.refuseClient(ctx, r.ID, id), err)
	}
	return s.newClientToken(ctx, r.Client, asked, &a)
}

func (s *Service) newClientToken(ctx context.Context, c Client, asked string, a *smart.Assertion) (Token, error) {
	own, err := smart.ParseScopes(c.Scopes)
	if err != nil {
		return Token{}, err
	}
	want, err := smart.ParseScopes(asked)
	if err != nil {
		return Token{}, err
	}
	scopes := own.Within(want)
	if len(scopes) == 0 {
		return Token{}, errs.E(errs.Invalid, "客户端 %s 没有所请求的范围：已登记的范围是 %s", c.ID, own)
	}
	var out Token
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if a != nil {
			_, err := tx.Exec(ctx, `INSERT INTO account_assertion (client, jti, until) VALUES ($1, $2, $3)`, a.Client, a.ID, db.At(a.Until))
			if errs.Is(err, errs.Conflict) {
				return errs.E(errs.Forbidden, "这个 client_assertion 已经用过：每次请求都要用新的 jti 签名")
			}
			if err != nil {
				return fmt.Errorf("insert assertion: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE account_client SET used_at = $2 WHERE id = $1`, c.ID, db.At(tx.Now)); err != nil {
			return fmt.Errorf("update client: %w", err)
		}
		text, err := s.signToken(token{Client: c.ID, Scopes: scopes.String(), From: tx.Now.UnixMilli(), Until: tx.Now.Add(TokenLife).UnixMilli()})
		out = Token{Text: text, Scopes: scopes, Life: TokenLife}
		if err != nil {
			return err
		}
		return s.clientLeaf(ctx, tx, c.Actor(), "client.token", c.ID)
	})
	return out, err
}

func (s *Service) signToken(t token) (string, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "~" + s.Keys.Index(tokenDomain, body), nil
}

var errToken = errs.E(errs.Forbidden, "访问令牌无效或已过期，请重新申请")

// CheckToken returns what a token entitles to now.
func (s *Service) CheckToken(ctx context.Context, text string) (Access, error) {
	body, mark, ok := strings.Cut(text, "~")
	if !ok || len(text) > 4096 {
		return Access{}, errToken
	}
	good := slices.ContainsFunc(s.Keys.Indexes(tokenDomain, body), func(want string) bool {
		return subtle.ConstantTimeCompare([]byte(want), []byte(mark)) == 1
	})
	raw, err := base64.RawURLEncoding.DecodeString(body)
	var t token
	if !good || err != nil || json.Unmarshal(raw, &t) != nil {
		return Access{}, errToken
	}
	now := s.DB.Now()
	if now.UnixMilli() >= t.Until {
		return Access{}, errToken
	}
	r, err := s.freshClient(ctx, t.Client, now)
	if err != nil {
		return Access{}, err
	}
	if r.State() != ClientActive || t.From < r.tokensFrom.UnixMilli() && !r.tokensFrom.IsZero() {
		return Access{}, errToken
	}
	scopes, err := smart.ParseScopes(t.Scopes)
	if err != nil {
		return Access{}, err
	}
	return r.access(scopes), nil
}

// AsClient returns what a client may do within the scopes now, for work that it
// has asked for and that is done later, without a token.
func (s *Service) AsClient(ctx context.Context, id, scopes string) (Access, error) {
	r, err := s.freshClient(ctx, id, s.DB.Now())
	if err != nil {
		return Access{}, err
	}
	if r.State() != ClientActive {
		return Access{}, errs.E(errs.Forbidden, "客户端 %s 已停用", id)
	}
	own, err := smart.ParseScopes(r.Scopes)
	if err != nil {
		return Access{}, err
	}
	asked, err := smart.ParseScopes(scopes)
	if err != nil {
		return Access{}, err
	}
	return r.access(own.Within(asked)), nil
}

// access is what the client may do within scopes.
func (k knownClient) access(scopes smart.Scopes) Access {
	a := k.Actor()
	a.OrgName, a.Regions = k.orgName, k.regions
	return Access{Client: k.Client, Actor: a, Scopes: scopes}
}

// knownClient is a client as this process last read it.
type knownClient struct {
	clientRow
	regions []string
	orgName string
	at      time.Time
}

// clientCache saves a read of the client for each request.
type clientCache struct {
	mu    sync.Mutex
	known map[string]knownClient
}

func (s *Service) freshClient(ctx context.Context, id string, now time.Time) (knownClient, error) {
	c := &s.clients
	c.mu.Lock()
	k, ok := c.known[id]
	c.mu.Unlock()
	if age := now.Sub(k.at); ok && age >= 0 && age < clientFresh {
		return k, nil
	}
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if k.clientRow, err = getClient(ctx, tx, id); err != nil {
			return err
		}
		if k.orgName, err = s.institutionName(ctx, tx, k.Org); err != nil {
			return err
		}
		k.regions, err = s.regions(ctx, tx, k.Org)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return knownClient{}, errToken
	}
	if err != nil {
		return knownClient{}, err
	}
	k.at = now
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]knownClient{}
	}
	c.known[id] = k
	return k, nil
}

// institutionName is the name of an institution as forms show it.
func (s *Service) institutionName(ctx context.Context, tx *db.Tx, org string) (string, error) {
	if s.Directory.Institutions == nil {
		return "", nil
	}
	list, err := s.Directory.Institutions(ctx, tx)
	if err != nil {
		return "", fmt.Errorf("read institutions: %w", err)
	}
	for _, o := range list {
		if o.ID == org {
			return o.Name, nil
		}
	}
	return "", nil
}
