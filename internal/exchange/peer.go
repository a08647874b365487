package exchange

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// PeerConfig is one system of the configuration file that may send messages.
type PeerConfig struct {
	Name        string   `toml:"name"`        // shown on pages: 四医院HIS
	Institution string   `toml:"institution"` // name or social credit code of the institution it speaks for
	Addresses   []string `toml:"addresses"`   // from which it connects: 10.1.2.3 or 10.1.2.0/24
	Application string   `toml:"application"` // MSH-3 that it must state; "" any
	Daily       bool     `toml:"daily"`       // its control ids begin anew each day
}

// Peer is a system that may send messages.
type Peer struct {
	Name        string
	Org         string
	OrgName     string
	Application string
	Daily       bool
	from        []netip.Prefix
}

// Peers finds the institutions of configured peers. Every fault of the list is
// named at once.
func Peers(ctx context.Context, tx *db.Tx, list []PeerConfig) ([]Peer, error) {
	var f errs.Form
	var out []Peer
	names := map[string]bool{}
	for i, c := range list {
		what := fmt.Sprintf("mllp.peers 第 %d 项", i+1)
		if c.Name = strings.TrimSpace(c.Name); c.Name == "" || names[c.Name] {
			f.Add("peers", "%s：name 不能为空或重复", what)
		}
		names[c.Name] = true
		o, err := institution(ctx, tx, c.Institution)
		if errs.Is(err, errs.NotFound) {
			f.Add("peers", "%s：没有找到机构 %q，请填写全称或统一社会信用代码", what, c.Institution)
		} else if err != nil {
			return nil, err
		}
		p := Peer{Name: c.Name, Org: o.ID, OrgName: o.Name, Application: c.Application, Daily: c.Daily}
		for _, a := range c.Addresses {
			prefix, err := parsePrefix(a)
			if err != nil {
				f.Add("peers", "%s：地址 %q 应是 IP 地址或网段，例如 10.1.2.3 或 10.1.2.0/24", what, a)
			}
			p.from = append(p.from, prefix)
		}
		if len(c.Addresses) == 0 {
			f.Add("peers", "%s：addresses 至少写一个地址", what)
		}
		out = append(out, p)
	}
	return out, f.Err()
}

func institution(ctx context.Context, tx *db.Tx, text string) (organization.Organization, error) {
	o, err := organization.ByIdentifier(ctx, tx, organization.USCC, text)
	if errs.Is(err, errs.NotFound) {
		return organization.ByName(ctx, tx, text)
	}
	return o, err
}

func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// allowed returns the peers that may connect from an address.
func allowed(all []Peer, addr netip.Addr) []Peer {
	addr = addr.Unmap()
	return slices.DeleteFunc(slices.Clone(all), func(p Peer) bool {
		return !slices.ContainsFunc(p.from, func(x netip.Prefix) bool { return x.Contains(addr) })
	})
}

// speaking is the peer, of those that may connect from one address, whose
// application a message states.
func speaking(here []Peer, application string) (Peer, bool) {
	i := slices.IndexFunc(here, func(p Peer) bool { return p.Application == application })
	if i < 0 {
		i = slices.IndexFunc(here, func(p Peer) bool { return p.Application == "" })
	}
	if i < 0 {
		return Peer{}, false
	}
	return here[i], true
}
