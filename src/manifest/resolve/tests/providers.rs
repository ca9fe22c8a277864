//! What `provider_assumes_role` leaves to whom, and the accounts that follow from it.

use super::{dev, s3, unit};

const ROLE: &str =
    "assume_role = { role_arn = 'arn:aws:iam::{account_id}:role/Deploy', external_id = 'e1' }\n";

/// The account as which the bucket of `dev` is reached, and the role that Terraform takes for it.
fn reached(keys: &str) -> (String, Option<String>) {
    let project = dev(keys);
    let s3 = s3(&project, "dev");
    let role = s3.own_role.as_ref().map(|role| role.role_arn.to_string());
    (s3.caller.to_string(), role)
}

#[test]
fn the_bucket_is_reached_from_the_account_of_its_role_or_of_the_unit() {
    let (own, other) = ("111111111111".to_owned(), "999999999999".to_owned());
    let of_owner = "backend.account_id = '999999999999'\n";
    let of_role = "backend.role_arn = 'arn:aws:iam::999999999999:role/State'\n";
    let by_itself = "provider_assumes_role = true\n";
    let deploy = Some("arn:aws:iam::111111111111:role/Deploy".to_owned());
    for (keys, expected) in [
        (String::new(), (own.clone(), None)),
        (of_owner.to_owned(), (own.clone(), None)),
        (of_role.to_owned(), (other.clone(), None)),
        (format!("{of_role}{by_itself}{ROLE}"), (other.clone(), None)),
        (format!("{by_itself}{ROLE}"), (own, deploy)),
        (format!("{by_itself}{of_owner}"), (other, None)),
    ] {
        assert_eq!(reached(&keys), expected, "{keys}");
    }
}

#[test]
fn terraform_gets_what_is_before_the_last_role() {
    let roles = |keys: &str| {
        let project = dev(keys);
        let delivered = unit(&project, "dev").delivered_roles();
        let names = delivered
            .iter()
            .map(|role| role.role_arn.to_string())
            .collect::<Vec<_>>();
        names.join(" ")
    };
    let chain = "assume_role = [{ role_arn = 'arn:aws:iam::999999999999:role/Hub' }, \
                 { role_arn = 'arn:aws:iam::111111111111:role/Deploy' }]\n";
    let hub = "arn:aws:iam::999999999999:role/Hub";
    let deploy = "arn:aws:iam::111111111111:role/Deploy";
    assert_eq!(roles(chain), format!("{hub} {deploy}"));
    let by_itself = "provider_assumes_role = true\n";
    assert_eq!(roles(&format!("{by_itself}{chain}")), hub);
    assert_eq!(roles(&format!("{by_itself}{ROLE}")), "");
    assert_eq!(roles(by_itself), "");
}
