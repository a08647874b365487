// Package account holds the people who sign in: accounts, the posts they hold
// at institutions, their passwords, second factors and sessions, and the
// system clients. It keeps the powers of the system administrator, the
// security administrator and the auditor apart. What a role may do is decided
// in package access.
package account

import (
	"context"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
)

// State is whether an account may sign in.
type State string

// The states of an account. A lock after failures is not a state: it passes
// by itself, see Account.LockedUntil.
const (
	Active   State = "active"
	Locked   State = "locked"   // by an administrator, until unlocked
	Disabled State = "disabled" // the person has left
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Active: "正常", Locked: "已锁定", Disabled: "已停用"}[s]
}

// Factor is the second factor of an account.
type Factor string

// The second factors.
const (
	FactorNone  Factor = "none"
	FactorTOTP  Factor = "totp"  // six digits from an authenticator app
	FactorCodes Factor = "codes" // one-time codes printed on paper
)

// Title is the factor in Chinese.
func (f Factor) Title() string {
	return map[Factor]string{FactorNone: "未设置", FactorTOTP: "动态口令", FactorCodes: "纸质一次性口令"}[f]
}

// Account is one person who may sign in.
type Account struct {
	ID, Login, Name string
	Person          string // practitioner id, optional
	Patient         string // patient id, for residents
	State           State
	StateReason     string
	MustChange      bool      // the password is an initial one
	Failures        int       // recent wrong passwords
	LockedUntil     time.Time // after too many failures; zero when not
	Factor          Factor
	CodesLeft       int // unused printed codes
	LastSignIn      time.Time
	CreatedAt       time.Time
	Version         int64
	Posts           []Post
}

// PostState is where a post stands.
type PostState string

// The states of a post.
const (
	PostPending PostState = "pending" // an administrator's post that waits for the security administrator
	PostActive  PostState = "active"
	PostRefused PostState = "refused"
	PostEnded   PostState = "ended"
)

// Title is the state in Chinese.
func (s PostState) Title() string {
	return map[PostState]string{PostPending: "待安全管理员审批", PostActive: "在岗", PostRefused: "未批准", PostEnded: "已结束"}[s]
}

// Post is a function that an account holds at an institution. A session acts
// in exactly one post at a time.
type Post struct {
	ID, Account        string
	Role               access.Role
	Org, OrgName       string
	Department         string
	From               calendar.Date
	To                 calendar.Date // last day; empty: open
	State              PostState
	GrantedBy          string // account id; empty: the program
	GrantedAt          time.Time
	DecidedBy, EndedBy string
	DecidedAt, EndedAt time.Time
	Reason             string
	AccountName, Login string // of the holder, filled where posts are listed alone
}

// activeOn reports whether the post may be acted in on a day.
func (p Post) activeOn(day calendar.Date) bool {
	return p.State == PostActive && p.From <= day && (p.To == "" || day <= p.To)
}

// Title names the post on screen: 零陵区菱角塘镇卫生院 · 基层医生.
func (p Post) Title() string {
	if p.OrgName == "" {
		return p.Role.Title()
	}
	return p.OrgName + " · " + p.Role.Title()
}

// Power reports whether the role is one of the three administrators whose
// powers are kept apart (三权分立, GB/T 22239-2019): no account holds two.
func Power(r access.Role) bool {
	return r == access.SystemAdmin || r == access.SecurityAdmin || r == access.Auditor
}

// NewAccount is what is asked for to create an account.
type NewAccount struct {
	Login, Name, Person, Patient string
	Posts                        []NewPost
}

// NewPost is what is asked for to give a post.
type NewPost struct {
	Role         access.Role
	Org, OrgName string
	Department   string
	From, To     calendar.Date // From empty: today
}

// Slip is the printed paper with an initial password, shown once.
type Slip struct {
	Account, Login, Name, OrgName string
	Password                      string
	At                            time.Time
}

// Stage is what a session still lacks before it may be used.
type Stage string

// The stages of a session, in the order in which they are passed.
const (
	StageFactor Stage = "factor" // the second factor is to be given
	StageEnrol  Stage = "enrol"  // a second factor is asked for and none is set up
	StageChange Stage = "change" // the initial password is to be changed
	StageOpen   Stage = "open"
)

// Session is one signed-in browser.
type Session struct {
	ID         string
	Account    Account // without posts and counts
	Post       Post
	Stage      Stage
	FactorDone bool
	Locked     bool // idle or locked by hand: the password is asked again
	IP, Agent  string
	CreatedAt  time.Time
	SeenAt     time.Time
	ExpiresAt  time.Time
	EndedAt    time.Time
	EndReason  string
	Idle       time.Duration
	Regions    []string
}

// Actor is who acts in the session, in its one post.
func (s Session) Actor() access.Actor {
	a := audit.Actor{
		Account: s.Account.ID, Person: s.Account.Person, Name: s.Account.Name,
		Role: string(s.Post.Role), Org: s.Post.Org, OrgName: s.Post.OrgName, Department: s.Post.Department,
		Regions: s.Regions, Session: s.ID, IP: s.IP,
	}
	if s.Post.Role == access.Resident {
		a.Patient = s.Account.Patient
	}
	return a
}

// Opened is a session with its token, which exists only in the browser's
// cookie; the database keeps a hash.
type Opened struct {
	Session Session
	Token   string
}

// Credentials is one attempt to sign in.
type Credentials struct {
	Login, Password string
	IP, Agent       string
	Over            string // token of the session on this browser that it replaces: quick change of person
}

// Policy is what an institution asks for at sign-in.
type Policy struct {
	Org          string // empty: everybody without a rule of his own
	SecondFactor bool   // TOTP or printed codes
	IdleMinutes  int    // 0: the installation's default
	SetBy        string
	SetAt        time.Time
}

// Client is a system that signs in with a secret, such as a hospital's HIS.
type Client struct {
	ID, Name, Org string
	Scopes        string // separated by spaces
	KeySet        string // JWKS it signs its assertions with, "" when it uses its secret
	Active        bool
	CreatedBy     string // account id; "" the program
	CreatedAt     time.Time
	ApprovedBy    string
	ApprovedAt    time.Time // zero: waits for the second person
	UsedAt        time.Time
}

// Institution is one choice of an institution or department on a form.
type Institution struct{ ID, Name string }

// Person is one choice of a practitioner on a form.
type Person struct{ ID, Name, Title string }

// Directory is what the registers tell this package. Each function may be nil.
type Directory struct {
	// RegionsOf returns the jurisdictions of an institution, specific first.
	RegionsOf func(ctx context.Context, tx *db.Tx, org string) ([]string, error)
	// Institutions lists the choices of forms.
	Institutions func(ctx context.Context, tx *db.Tx) ([]Institution, error)
	// Under reports whether org belongs to head (a village clinic to its
	// township centre), so that the head manages its doctors.
	Under func(ctx context.Context, tx *db.Tx, org, head string) (bool, error)
	// People lists the practitioners of an institution.
	People func(ctx context.Context, tx *db.Tx, org string) ([]Person, error)
	// Departments lists the departments of an institution.
	Departments func(ctx context.Context, tx *db.Tx, org string) ([]Institution, error)
}

// Options are the limits of sessions and sign-in; zero values mean the
// defaults named here.
type Options struct {
	Idle       time.Duration // 15 minutes without activity lock a session
	Absolute   time.Duration // 12 hours end it
	Failures   int           // 5 wrong passwords
	Window     time.Duration // within 15 minutes
	LockFor    time.Duration // lock for 15 minutes
	TouchEvery time.Duration // 1 minute between two writes of "last seen"
	Issuer     string        // name in the authenticator app, 医联
}

func (o Options) filled() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Idle, 15*time.Minute)
	def(&o.Absolute, 12*time.Hour)
	def(&o.Window, 15*time.Minute)
	def(&o.LockFor, 15*time.Minute)
	def(&o.TouchEvery, time.Minute)
	if o.Failures == 0 {
		o.Failures = 5
	}
	if o.Issuer == "" {
		o.Issuer = "医联"
	}
	return o
}

// Service has the use cases of accounts.
type Service struct {
	DB        *db.DB
	Keys      *crypto.Keyring
	Audit     *audit.Log
	Options   Options
	Directory Directory

	decoy   decoy
	clients clientCache
}

// normalLogin is the stored form of a login name.
func normalLogin(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
