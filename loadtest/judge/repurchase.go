package judge

import (
	"math"
	"time"
)

// repurchaseWindows are those that repurchase looks back over.
var repurchaseWindows = []time.Duration{30 * day, 90 * day, 180 * day}

const repurchaseIntercept = -2.0549

// input is the judge's reading of one input of the demo's model.
type input struct {
	value               string // the definition that is read
	weight, mean, scale float64
	of                  func(moment) float64
}

func repurchaseInputs() []input {
	return []input{
		{`features.purchases`, 0.5401, 1.8741, 2.1877, func(m moment) float64 { return float64(len(m.ever())) }},
		{`events("purchase").within("30d").any()`, 0.1507, 0.0892, 0.285, anyWithin(30 * day)},
		{`events("purchase").within("90d").any()`, 0.2329, 0.3101, 0.4625, anyWithin(90 * day)},
		{`events("purchase").within("180d").any()`, 0.2349, 0.6908, 0.4622, anyWithin(180 * day)},
		{`events("purchase").within("90d").count()`, 0.1377, 0.5146, 1.2028, func(m moment) float64 { return float64(len(m.within(90 * day))) }},
		{`events("purchase").within("180d").sum("amount")`, 0.038, 44.6171, 110.2248, func(m moment) float64 { return float64(m.within(180*day).cents()) / 100 }},
	}
}

// repurchase is how likely it is that somebody buys again within 60 days.
func repurchase(m moment) float64 {
	odds := repurchaseIntercept
	for _, in := range repurchaseInputs() {
		odds += in.weight * (in.of(m) - in.mean) / in.scale
	}
	return 1 / (1 + math.Exp(-odds))
}

func anyWithin(window time.Duration) func(moment) float64 {
	return func(m moment) float64 {
		if len(m.within(window)) > 0 {
			return 1
		}
		return 0
	}
}
