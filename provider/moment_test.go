package provider_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/provider"
)

func TestResetTimes(t *testing.T) {
	measured := time.Date(2026, 9, 11, 14, 45, 20, 0, time.UTC) // the provider's own page said 16:35:41Z
	utc := func(s string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	type test struct {
		name, profile, code, text string
		now                       time.Time
		want                      time.Time
	}
	five := "Usage limit reached for 5 hour. Your limit will reset at %s"
	tests := []test{
		{"as measured", "zai", "1308", fmt.Sprintf(five, "2026-09-12 00:35:41"), measured, utc("2026-09-11 16:35:41")},
		{"in Chinese", "bigmodel", "1308", "已达到 5 小时的使用上限。您的限额将在 2026-09-12 00:35:41 重置。", measured, utc("2026-09-11 16:35:41")},
		{"with the other wording", "zai", "1316", "Usage limit reached for the past 5 hours. Insufficient balance for extra usage. Resets at 2026-09-12 00:35:41.", measured, utc("2026-09-11 16:35:41")},
		{"without its code", "zai", "", fmt.Sprintf(five, "2026-09-12 00:35:41"), measured, utc("2026-09-11 16:35:41")},
		{"at the very end of the window", "zai", "1308", fmt.Sprintf(five, "2026-09-12 03:45:20"), measured, utc("2026-09-11 19:45:20")},
		{"beyond the window", "zai", "1308", fmt.Sprintf(five, "2026-09-12 04:45:20"), measured, time.Time{}},
		{"already past", "zai", "1308", fmt.Sprintf(five, "2026-09-11 22:45:20"), measured, time.Time{}},
		{"no date at all", "zai", "1308", fmt.Sprintf(five, "some time"), measured, time.Time{}},
		{"an impossible date", "zai", "1308", fmt.Sprintf(five, "2026-13-45 99:99:99"), measured, time.Time{}},
		{"a placeholder", "zai", "1308", "您的限额将在 ${next_flush_time} 重置", measured, time.Time{}},
		{"in a month", "zai", "1310", "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-10-10 12:00:00", measured, utc("2026-10-10 04:00:00")},
		{"in two months", "zai", "1310", "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-11-10 12:00:00", measured, time.Time{}},
		{"in a week", "zai", "1317", "Usage limit reached for the past 7 days. Resets at 2026-09-18 12:00:00.", measured, utc("2026-09-18 04:00:00")},
		{"in more than a week", "zai", "1321", "Usage limit reached for the past 7 days. Resets at 2026-09-20 12:00:00.", measured, time.Time{}},
		{"per day: the end of the day in UTC+8", "zai", "1304", "Daily call limit for this API reached", measured, utc("2026-09-11 16:00:00")},
		{"per day, just after that", "zai", "1304", "Daily call limit for this API reached", utc("2026-09-11 16:00:00"), utc("2026-09-12 16:00:00")},
		{"without a year, in UTC", "dashscope", "Throttling.AllocationQuota", "Your token-plan quota has been exhausted, reset at 09-18 10:07:00 UTC", measured, utc("2026-09-18 10:07:00")},
		{"without a year, over the end of it", "dashscope", "Throttling.AllocationQuota", "token-plan quota exhausted; it will reset at 01-02 10:07:00 UTC.", utc("2026-12-30 00:00:00"), utc("2027-01-02 10:07:00")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, tt.code, tt.text)
			v := profile(t, tt.profile).Classify(provider.Answer{Status: 429, Body: []byte(body), Now: tt.now})
			if v.Kind != provider.Quota || !v.Reset.Equal(tt.want) {
				t.Errorf("%v resets at %v, want %v", v.Kind, v.Reset, tt.want)
			}
		})
	}
	t.Run("of no other verdict", func(t *testing.T) {
		body := `{"error":{"code":"1309","message":"Your limit will reset at 2026-09-12 00:35:41"}}`
		if v := profile(t, "zai").Classify(provider.Answer{Status: 429, Body: []byte(body), Now: measured}); !v.Reset.IsZero() {
			t.Errorf("resets at %v", v.Reset)
		}
	})
}

func TestWaits(t *testing.T) {
	tests := []struct {
		body string
		want time.Duration
	}{
		{`{"error":{"message":"Please try again in 11.75s."}}`, 11750 * time.Millisecond},
		{`{"error":{"message":"Please try again in 6ms"}}`, 6 * time.Millisecond},
		{`{"error":{"message":"Please try again in 1m12s."}}`, 72 * time.Second},
		{`{"error":{"message":"please try again after 1 seconds"}}`, time.Second},
		{`{"error":{"message":"please try again after 0 seconds"}}`, 0},
		{`{"error":{"message":"Please retry after 7 seconds, or ask for 5 more"}}`, 7 * time.Second},
		{`{"error":{"message":"Please retry in 10h17m5.7s."}}`, 10*time.Hour + 17*time.Minute + 5700*time.Millisecond},
		{`{"error":{"message":"Retry after 2 minutes"}}`, 2 * time.Minute},
		{`{"error":{"message":"请30秒后重试"}}`, 30 * time.Second},
		{`{"error":{"message":"please retry in 3 sheep"}}`, 0},
		{`{"error":{"message":"please try again later"}}`, 0},
		{`{"error":{"message":"try again in 99999999999999999999 days"}}`, 31 * 24 * time.Hour},
		{`{"error":{"message":"m","details":[{"@type":"RetryInfo","retryDelay":"59s"}]}}`, 59 * time.Second},
		{`{"error":{"message":"m"},"retry-after":"40"}`, 40 * time.Second},
		{`{"error":{"message":"m"},"retry_after":2.5}`, 2500 * time.Millisecond},
		{`{"error":{"message":"m","retry_after":3}}`, 3 * time.Second},
		{`{"error":{"message":"m"},"retry_after_ms":250,"retry-after":1}`, 250 * time.Millisecond},
		{`{"error":{"message":"m"},"retry-after":"-4"}`, 0},
		{`{"error":{"message":"m"},"retry-after":"NaN"}`, 0},
		{`{"error":{"message":"m"},"retry-after":{"s":4}}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			if v := classify(t, "generic", 429, tt.body); v.Wait != tt.want {
				t.Errorf("got %v, want %v", v.Wait, tt.want)
			}
		})
	}
}
