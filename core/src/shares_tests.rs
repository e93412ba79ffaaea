use super::*;

const SHARES: Shares = Shares { jobs: 3, ..Shares::NONE };

/// A ledger of jobs for two clients.
fn with_ledger(test: impl FnOnce(Ledger<'_>, &Accounts<'_>)) {
    let mut lent = [Account::new(), Account::new()];
    let accounts = Accounts::new(&mut lent);
    test(accounts.ledger(Capacity::Jobs, 2, &SHARES), &accounts);
}

#[test]
fn nobody_gets_what_another_was_promised() {
    with_ledger(|mut ledger, _| {
        let (one, two) = (Owner(0), Owner(1));
        // Ten places: three for each, four for whoever comes first.
        assert_eq!((ledger.room(10, one), ledger.room(10, two), ledger.room(10, Owner::NOBODY)), (7, 7, 4));
        ledger.charge(one, 7);
        assert_eq!((ledger.room(3, one), ledger.room(3, two), ledger.room(3, Owner::NOBODY)), (0, 3, 0));
        ledger.charge(two, 3);
        assert_eq!((ledger.room(0, one), ledger.room(0, two)), (0, 0));
        ledger.credit(one, 1);
        assert_eq!((ledger.room(1, one), ledger.room(1, two)), (1, 1), "that was beyond its share");
        ledger.credit(one, 5);
        assert_eq!((ledger.room(6, one), ledger.room(6, two), ledger.room(6, Owner::NOBODY)), (6, 4, 4));
    });
}

#[test]
fn room_in_every_state_is_what_the_definition_says() {
    const PLACES: u32 = 9;
    for (a, b) in (0..=PLACES).flat_map(|a| (0..=PLACES - a).map(move |b| (a, b))) {
        with_ledger(|mut ledger, _| {
            for _ in 0..a {
                ledger.charge(Owner(0), 1);
            }
            ledger.charge(Owner(1), b + 2);
            ledger.credit(Owner(1), 2);
            let free = PLACES - a - b;
            assert_eq!(ledger.room(free, Owner(0)), free.saturating_sub(3u32.saturating_sub(b)), "{a} {b}");
            assert_eq!(ledger.room(free, Owner(1)), free.saturating_sub(3u32.saturating_sub(a)), "{a} {b}");
        });
    }
}

#[test]
fn charges_come_back_and_belong_to_one_capacity() {
    with_ledger(|mut jobs, accounts| {
        let mut bos = accounts.ledger(Capacity::Bos, 2, &SHARES);
        jobs.charge(Owner(0), 2);
        bos.charge(Owner(0), 5);
        assert_eq!((jobs.held(Owner(0)), bos.held(Owner(0)), bos.held(Owner(1))), (2, 5, 0));
        assert!(!accounts.is_clear(Owner(0)) && accounts.is_clear(Owner(1)));
        jobs.credit(Owner(0), 2);
        bos.credit(Owner(0), 5);
        assert!(accounts.is_clear(Owner(0)));
        assert_eq!(jobs.room(6, Owner::NOBODY), 0);
    });
}

#[test]
fn a_capacity_without_shares_counts_nothing() {
    with_ledger(|_, accounts| {
        let mut ledger = accounts.ledger(Capacity::OutSyncs, 2, &SHARES);
        ledger.charge(Owner(0), 1);
        assert_eq!((ledger.held(Owner(0)), ledger.room(1, Owner(1))), (0, 1));
        assert!(accounts.is_clear(Owner(0)));
    });
}

#[test]
fn equal_parts_fit_and_one_more_does_not() {
    let capacities = Capacities::DEFAULT;
    let even = Shares::even(&capacities);
    assert_eq!(even.misfit(&capacities), None);
    for capacity in Shares::CAPACITIES {
        let share = even.of(*capacity);
        assert!(share > 0, "{capacity:?}");
        // What the GGTT has beside its queues is for the driver.
        let most = if *capacity == Capacity::GgttNodes { 256 / 8 } else { share };
        assert_eq!(even.with(*capacity, most).misfit(&capacities), None);
        let more = even.with(*capacity, most + 1);
        assert_eq!(more.misfit(&capacities), Some(*capacity));
    }
    let few_blocks = Capacities { pt_blocks: 8, ..capacities };
    assert_eq!(even.misfit(&few_blocks), Some(Capacity::PtBlocks));
    assert_eq!(Shares::even(&few_blocks).misfit(&few_blocks), None);
    let no_clients = Capacities { clients: 0, ..capacities };
    assert_eq!((Shares::even(&no_clients), even.misfit(&no_clients)), (Shares::NONE, None));
}
