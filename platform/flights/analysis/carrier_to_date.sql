select
    date '{{ ds }}' as flight_date,
    coalesce(before.carrier, today.carrier) as carrier,
    coalesce(today.flight_date, before.last_scheduled) as last_scheduled,
    coalesce(before.days_scheduled, 0) + (today.carrier is not null)::int as days_scheduled,
    coalesce(before.scheduled, 0) + coalesce(today.scheduled, 0) as scheduled,
    coalesce(before.cancelled, 0) + coalesce(today.cancelled, 0) as cancelled,
    coalesce(before.diverted, 0) + coalesce(today.diverted, 0) as diverted,
    coalesce(before.flown, 0) + coalesce(today.flown, 0) as flown,
    coalesce(before.late, 0) + coalesce(today.late, 0) as late,
    coalesce(before.arr_delay_minutes, 0) + coalesce(today.arr_delay_minutes, 0) as arr_delay_minutes
from before
full join today on today.carrier = before.carrier
