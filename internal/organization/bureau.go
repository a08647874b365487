package organization

import (
	"context"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
)

// BureauOf is the health authority of exactly one region.
func BureauOf(ctx context.Context, tx *db.Tx, code string) (Organization, error) {
	all, err := List(ctx, tx, Filter{Kind: Bureau, Region: code})
	if err != nil {
		return Organization{}, err
	}
	for _, b := range all {
		if b.Region == code {
			return b, nil
		}
	}
	r, err := region.Get(ctx, tx, code)
	if err != nil {
		return Organization{}, err
	}
	return Organization{}, errs.E(errs.Invalid, "系统里没有登记%s的卫生健康行政部门，请系统管理员先在“机构管理”中登记", r.Name)
}
