RuleSet: OwnCodeSystem
* ^experimental = false
* ^publisher = "Caretally contributors"
* ^caseSensitive = true
* ^content = #complete

CodeSystem: CareManagementService
Id: care-management-service
Title: "Care-management service"
Description: "The programme that a time entry, a care plan or a consent belongs to."
* insert OwnCodeSystem
* #ccm "Chronic care management"
* #pcm "Principal care management"
* #pin "Principal illness navigation"

CodeSystem: Programme
Id: programme
Title: "Programme of the rules"
Description: "The programme as the rules name it; the target of the ConceptMap of the same name."
* insert OwnCodeSystem
* #ccm "Chronic care management"
* #pcm "Principal care management"
* #pin "Principal illness navigation"

CodeSystem: CareManagementActivity
Id: care-management-activity
Title: "Care-management activity"
Description: "What was done in a time entry. Which activities count is said by the ValueSets activities-counted and activities-not-counted."
* insert OwnCodeSystem
* #care-plan "Care plan work"
* #care-plan-copy "Copy of the care plan given"
* #communication "Calls and messages with patient or caregiver"
* #coordination "Coordination with other practitioners"
* #education "Education of patient or caregiver"
* #medication "Medication reconciliation and management"
* #symptom-management "Symptom management"
* #transition "Follow-up of transitions"
* #status-review "Review of the record for the plan"
* #community-services "Community services"
* #enrolment "Enrolment"
* #billing "Billing"
* #prior-authorization "Prior authorization"
* #scheduling "Scheduling"
* #time-logging "Logging of time"
* #training "Training"
* #travel "Travel"
* #unsuccessful-contact "Attempt without contact"
* #visit-preparation "Preparing a visit that is billed"

CodeSystem: CarePlanElement
Id: care-plan-element
Title: "Care plan element"
Description: "Elements of a comprehensive care plan that no FHIR element names; the problem list is CarePlan.addresses, measurable goals are CarePlan.goal."
* insert OwnCodeSystem
* #expected-outcome "Expected outcome and prognosis"
* #symptom-management "Symptom management"
* #planned-intervention "Planned interventions"
* #medication-management "Medication management"
* #community-services "Community and social services"
* #review-schedule "Schedule for review"

CodeSystem: PcmElement
Id: pcm-element
Title: "Condition of principal care management"
Description: "What principal care management asks of the condition and no EHR records by itself."
* insert OwnCodeSystem
* #frequent-medication-adjustment "Medication must be adjusted often"
* #comorbidity-complexity "Managing the condition is complex because of others"
* #practitioner-coordination "Care is coordinated with other practitioners"
* #acute-exacerbation "The condition became acutely worse in the month"

CodeSystem: ConsentCategory
Id: consent-category
Title: "Consent category"
Description: "Makes a Consent one to care-management services."
* insert OwnCodeSystem
* #care-management "Care management"

CodeSystem: ConsentMode
Id: consent-mode
Title: "Way of consenting"
Description: "How the patient consented."
* insert OwnCodeSystem
* #written "In writing"
* #verbal "Verbally, noted in the record"

CodeSystem: ConsentElement
Id: consent-element
Title: "Explained before consent"
Description: "What was explained to the patient before the consent."
* insert OwnCodeSystem
* #service "The service"
* #cost-sharing "The patient's share of the cost"
* #one-practitioner "One practitioner a month"
* #may-stop "The patient may stop at any time"

CodeSystem: DecisionMakingLevel
Id: decision-making-level
Title: "Level of medical decision making"
Description: "Level of medical decision making, attested by a person."
* insert OwnCodeSystem
* #straightforward "Straightforward"
* #low "Low"
* #moderate "Moderate"
* #high "High"

CodeSystem: ElectedFamily
Id: elected-family
Title: "Elected family"
Description: "The family that a practice elects for a month in which staff worked too; without an election the staff codes are billed."
* insert OwnCodeSystem
* #physician "The practitioner's own codes"

CodeSystem: ClaimCareTeamRole
Id: claim-care-team-role
Title: "Care team role on a claim"
Description: "The role for which the CARIN code system has no code."
* insert OwnCodeSystem
* #billing "Billing provider"

CodeSystem: CareTeamRole
Id: care-team-role
Title: "Care team role"
Description: "The role of the person who leads care management, for CareTeam.participant.role."
* insert OwnCodeSystem
* #lead "Leads the care management"

CodeSystem: ClaimFrequency
Id: claim-frequency
Title: "Claim frequency"
Description: "Claim frequency code, as on the paper form (box 22) and in the 837P (CLM05-3); a claim without it is an original."
* insert OwnCodeSystem
* #1 "Original"
* #7 "Replacement"
* #8 "Void"

CodeSystem: ClaimProgress
Id: claim-progress
Title: "Progress of a claim"
Description: "How far a released claim has come."
* insert OwnCodeSystem
* #sent "Sent to the payer"
* #accepted "Accepted by the payer"
* #paid "Paid"
* #denied "Denied"

CodeSystem: ClaimWithdrawal
Id: claim-withdrawal
Title: "Withdrawal"
Description: "Why Caretally took a claim or charge of its own back."
* insert OwnCodeSystem
* #withdrawn "A draft that is no longer backed"
* #dropped "A draft of a resource type that the site no longer keeps"
* #superseded "Another claim stands for it"
* #voided "Voided"

CodeSystem: RateSetting
Id: rate-setting
Title: "Setting of a rate"
Description: "The kind of place of service that an amount holds for."
* insert OwnCodeSystem
* #non-facility "Places paid at the non-facility rate"
* #facility "Places paid at the facility rate"

CodeSystem: PriceKind
Id: price-kind
Title: "Kind of price"
Description: "What the amount of a price component is."
* insert OwnCodeSystem
* #payer-rate "What the payer allows for one unit"

CodeSystem: RoleClass
Id: role-class
Title: "Class of a role"
Description: "What a role may do: bill, work as clinical staff, work as community health worker, or not count."
* insert OwnCodeSystem
* #practitioner "May bill: physician, NP, PA, CNS, CNM"
* #clinical-staff "Clinical staff"
* #community-health-worker "Community health worker"
* #non-clinical "Does not count"

CodeSystem: VisitGroup
Id: visit-group
Title: "Group of visits"
Description: "Targets of the ConceptMap from visit codes to kinds of initiating visit."
* insert OwnCodeSystem
* #annual-wellness-visit "Annual wellness visit"

CodeSystem: CodeMatch
Id: code-match
Title: "How a code matches"
Description: "How the codes of a ConceptMap group are compared."
* insert OwnCodeSystem
* #is-a "The code and everything below it"
* #regex "Codes of this pattern"

CodeSystem: RiskLevel
Id: risk-level
Title: "Level of a risk"
Description: "Whether a stated risk of a condition is significant."
* insert OwnCodeSystem
* #significant "Significant risk"
* #not-significant "No significant risk"

CodeSystem: RiskOutcome
Id: risk-outcome
Title: "Outcome of a risk"
Description: "What a condition puts the patient at risk of."
* insert OwnCodeSystem
* #death "Death"
* #acute-exacerbation "Acute exacerbation or decompensation"
* #functional-decline "Functional decline"
* #hospitalization "Hospitalization"
