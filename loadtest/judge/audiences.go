package judge

import (
	"slices"
	"time"

	"kairos/loadtest/cdnow"
)

// audience is the judge's reading of one definition.
type audience struct {
	name    string
	when    string          // the definition that is read
	windows []time.Duration // that it looks back over
	holds   func(moment) bool
}

// windows are given in days; a year has 365 of them.
const day = 24 * time.Hour

// audiences lists the demo's, each as a plain question about one person. All
// that is known of the people of CDNOW is what they bought, in a shop.
func audiences() []audience {
	return []audience{
		{
			name:  "first_purchase",
			when:  `events("purchase").any()`,
			holds: func(m moment) bool { return len(m.ever()) > 0 },
		},
		{
			name:  "one_time_buyer",
			when:  `events("purchase").count() == 1`,
			holds: func(m moment) bool { return len(m.ever()) == 1 },
		},
		{
			name:    "second_purchase_30d",
			when:    `events("purchase").within("30d").count() >= 2`,
			windows: []time.Duration{30 * day},
			holds:   func(m moment) bool { return len(m.within(30*day)) >= 2 },
		},
		{
			name:    "active_30d",
			when:    `events("purchase").within("30d").any()`,
			windows: []time.Duration{30 * day},
			holds:   func(m moment) bool { return len(m.within(30*day)) > 0 },
		},
		{
			name:    "lapsed_90d",
			when:    `events("purchase").any() && events("purchase").within("90d").none()`,
			windows: []time.Duration{90 * day},
			holds:   lapsed,
		},
		{
			name:    "big_spender_180d",
			when:    `events("purchase").within("180d").sum("amount") >= 200`,
			windows: []time.Duration{180 * day},
			holds:   bigSpender,
		},
		{
			name:    "loyal",
			when:    `events("purchase").within("365d").count() >= 5`,
			windows: []time.Duration{365 * day},
			holds:   loyal,
		},
		{
			name:    "bulk_buyer",
			when:    `events("purchase").where(e, e.cds >= 10).within("90d").any()`,
			windows: []time.Duration{90 * day},
			holds: func(m moment) bool {
				return slices.ContainsFunc(m.within(90*day), func(p cdnow.Purchase) bool { return p.CDs >= 10 })
			},
		},
		{
			name:    "vip",
			when:    `in("loyal") && in("big_spender_180d")`,
			windows: []time.Duration{365 * day, 180 * day},
			holds:   func(m moment) bool { return loyal(m) && bigSpender(m) },
		},
		{
			name:  "win_back",
			when:  `events("cancel").within("30d").any() && events("purchase").within("30d").none()`,
			holds: never, // nobody cancels
		},
		{
			name:  "app_only",
			when:  `events().from("app").any() && events().from("web").none() && events().from("shop").none()`,
			holds: never, // everybody was seen in the shop, and there alone
		},
		{
			name:    "high_propensity",
			when:    `scores.repurchase > 0.5`,
			windows: repurchaseWindows,
			holds:   func(m moment) bool { return repurchase(m) > 0.5 },
		},
		{
			name:    "worth_waking",
			when:    `in("lapsed_90d") && scores.repurchase > 0.2`,
			windows: repurchaseWindows,
			holds:   func(m moment) bool { return lapsed(m) && repurchase(m) > 0.2 },
		},
	}
}

func lapsed(m moment) bool     { return len(m.ever()) > 0 && len(m.within(90*day)) == 0 }
func bigSpender(m moment) bool { return m.within(180*day).cents() >= 200_00 }
func loyal(m moment) bool      { return len(m.within(365*day)) >= 5 }
func never(moment) bool        { return false }
